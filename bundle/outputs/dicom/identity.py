"""Who made a DICOM object, and the numbers by which it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from highdicom import AlgorithmIdentificationSequence
from highdicom.sr import AlgorithmIdentification
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from bundle import __version__
from bundle.outputs.dicom.source_series import SourceSeries

NAME = "SimMLM"
RESEARCH = "For research use only"
RESEARCH_QUALIFICATION = "RESEARCH"

# Far above what scanners count to, so that results stand last in a list.
SEGMENTATION_SERIES, REPORT_SERIES, ENTROPY_SERIES = 9001, 9002, 9003

_HASH_LETTERS = 16


@dataclass(frozen=True)
class Maker:
    """The trained network as DICOM's device and algorithm.

    UIDs follow from what an object says: the same segmentation of the same series by the same
    weights has the same numbers, so that an archive which gets it twice keeps one, and anything
    else has others. Only the time at which it was written is not part of that.

    Attributes:
        weights_sha256: of the network's weights.
    """

    weights_sha256: str

    @property
    def equipment(self) -> dict[str, Any]:
        """Return the attributes of the equipment; weights tell one device from another."""
        return {
            "manufacturer": NAME,
            "manufacturer_model_name": NAME,
            "software_versions": __version__,
            "device_serial_number": self.weights_sha256[:_HASH_LETTERS],
        }

    @property
    def uid(self) -> str:
        """Return the number of the device: of these weights in this version."""
        return uid_of("device", self.weights_sha256, __version__)

    def series_uid(self, kind: str, series: SourceSeries) -> str:
        """Return the number of the series that holds one kind of results on a series."""
        return uid_of(kind, *self._key(series))

    def object_uid(self, kind: str, series: SourceSeries, content: str) -> str:
        """Return the number of an object by the hash or number of what it holds."""
        return uid_of(kind, *self._key(series), content)

    def identification(self) -> AlgorithmIdentificationSequence:
        """Name the algorithm, for images."""
        return AlgorithmIdentificationSequence(
            name=NAME,
            family=codes.cid7162.ArtificialIntelligence,
            version=__version__,
            source=NAME,
            parameters={"weights_sha256": self.weights_sha256},
        )

    def reported_identification(self) -> AlgorithmIdentification:
        """Name the algorithm, for reports."""
        return AlgorithmIdentification(
            name=NAME,
            version=__version__,
            parameters=[f"weights_sha256={self.weights_sha256}"],
            family=codes.cid7162.ArtificialIntelligence,
            manufacturer=NAME,
        )

    def _key(self, series: SourceSeries) -> Sequence[str]:
        return (series.sha256, self.weights_sha256, __version__)


def uid_of(*parts: str) -> str:
    """Return a UID that follows from texts."""
    return generate_uid(entropy_srcs=["simmlm", *parts])
