"""The volumes of a case as a DICOM structured report, after template TID 1500."""

from collections.abc import Iterator, Sequence

import numpy as np
from highdicom.seg import Segmentation
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from bundle.outputs.dicom.identity import (
    NAME,
    REPORT_SERIES,
    RESEARCH,
    Maker,
)
from bundle.outputs.dicom.segmentation import anatomy_of, tracking_uid, type_of
from bundle.outputs.dicom.source_series import SourceSeries
from bundle.tasks.parts import Label, Region
from bundle.tasks.task import Task

MILLILITRE = CodedConcept("ml", "UCUM", "milliliter")
DISCLAIMER = f"{RESEARCH}, not for diagnosis. Computed without review by a person."

_DECIMALS = 3


class VolumeReport:
    """Makes the report of one case.

    Each label is a group of measurements (TID 1411) that refers to its segment; each region that is
    more than one label is a group (TID 1501) that refers to the images.

    Args:
        label: (column, row, image), the task's values.
        series: whose grid that is.
        segmentation: of the labels.
        task: names and codes.
        maker: of the result.
    """

    def __init__(
        self,
        label: NDArray[np.uint8],
        series: SourceSeries,
        segmentation: Segmentation,
        task: Task,
        maker: Maker,
    ) -> None:
        self.series, self.segmentation, self.task, self.maker = series, segmentation, task, maker
        voxel_ml = abs(float(np.linalg.det(series.grid.affine[:3, :3]))) / 1000
        counts = np.bincount(label.ravel(), minlength=len(task.labels) + 1)
        self.volumes_ml = {one.value: float(counts[one.value]) * voxel_ml for one in task.labels}

    def make(self) -> Comprehensive3DSR:
        """Make the report; it is complete, preliminary and unverified."""
        content = MeasurementReport(
            observation_context=self._observer(),
            procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion,
            imaging_measurements=[*map(self._label, self.task.labels), *self._regions()],
            title=codes.cid7021.ImagingMeasurementReport,
            referenced_images=self.series.images,
        )
        content[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, DISCLAIMER, RelationshipTypeValues.CONTAINS)
        )
        return Comprehensive3DSR(
            evidence=[self.segmentation, *self.series.images],
            content=content[0],
            series_instance_uid=self.maker.series_uid("report series", self.series),
            series_number=REPORT_SERIES,
            sop_instance_uid=self.maker.object_uid(
                "report", self.series, self.segmentation.SOPInstanceUID
            ),
            instance_number=1,
            is_complete=True,
            series_description=f"{NAME} volumes - {RESEARCH}",
            **self.maker.equipment,
        )

    def _observer(self) -> ObservationContext:
        device = DeviceObserverIdentifyingAttributes(
            uid=self.maker.uid,
            name=NAME,
            manufacturer_name=NAME,
            model_name=NAME,
            serial_number=self.maker.equipment["device_serial_number"],
        )
        return ObservationContext(ObserverContext(codes.DCM.Device, device))

    def _label(self, label: Label) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
        return VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(label.name),
            referenced_segment=ReferencedSegment(
                self.segmentation.SOPClassUID,
                self.segmentation.SOPInstanceUID,
                label.value,
                source_series=SourceSeriesForSegmentation(self.series.images[0].SeriesInstanceUID),
            ),
            finding_category=codes.SCT.MorphologicallyAbnormalStructure,
            finding_type=type_of(label),
            finding_sites=self._sites(),
            algorithm_id=self.maker.reported_identification(),
            measurements=[self._volume([label.value])],
        )

    def _regions(self) -> Iterator[MeasurementsAndQualitativeEvaluations]:
        images = [
            SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)
            for image in self.series.images
        ]
        for region in self.task.regions:
            if len(region.labels) > 1:
                yield self._region(region, images)

    def _region(
        self, region: Region, images: Sequence[SourceImageForMeasurementGroup]
    ) -> MeasurementsAndQualitativeEvaluations:
        return MeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(f"{region.title} ({region.name})"),
            finding_category=codes.SCT.MorphologicallyAbnormalStructure,
            finding_sites=self._sites(),
            algorithm_id=self.maker.reported_identification(),
            measurements=[self._volume(region.labels)],
            source_images=images,
        )

    def _tracking(self, name: str) -> TrackingIdentifier:
        return TrackingIdentifier(uid=tracking_uid(name, self.series), identifier=name)

    def _volume(self, labels: Sequence[int]) -> Measurement:
        volume = sum(self.volumes_ml[value] for value in labels)
        return Measurement(codes.SCT.Volume, round(volume, _DECIMALS), MILLILITRE)

    def _sites(self) -> list[FindingSite] | None:
        code = self.task.anatomy
        return None if code is None else [FindingSite(anatomy_of(code))]
