"""An entropy map as a DICOM parametric map."""

import numpy as np
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.uid import RLELossless

from bundle.files.hashes import sha256_of
from bundle.outputs.dicom.identity import ENTROPY_SERIES, NAME, RESEARCH, Maker
from bundle.outputs.dicom.segmentation import OWN
from bundle.outputs.dicom.source_series import SourceSeries

BIT = CodedConcept("bit", "UCUM", "bit")
ENTROPY = CodedConcept("ENTROPY", OWN, "Entropy of the decision")
STEPS = 65535
"""An entropy of 1 bit is stored as this: 16 bits keep what a network knows, at half the size of
float32, and can be compressed for every viewer.
"""


def make_entropy_map(
    entropy: NDArray[np.float32], series: SourceSeries, maker: Maker
) -> ParametricMap:
    """Make a parametric map; off by at most half of a 65535th of a bit.

    Args:
        entropy: (column, row, image), 0 to 1 bit.
        series: whose grid that is.
        maker: of the result.
    """
    frames = series.frames(np.rint(entropy.clip(0, 1) * STEPS).astype(np.uint16))
    mapping = RealWorldValueMapping(
        lut_label="entropy",
        lut_explanation="Entropy of the least sure region's decision",
        unit=BIT,
        value_range=(0, STEPS),
        slope=1 / STEPS,
        intercept=0,
        quantity_definition=ENTROPY,
    )
    made = ParametricMap(
        source_images=series.images,
        pixel_array=frames,
        series_instance_uid=maker.series_uid("entropy series", series),
        series_number=ENTROPY_SERIES,
        sop_instance_uid=maker.object_uid("entropy", series, sha256_of(frames.data)),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        window_center=STEPS / 2,
        window_width=STEPS,
        transfer_syntax_uid=RLELossless,
        content_label="ENTROPY",
        content_description=RESEARCH,
        series_description=f"{NAME} entropy - {RESEARCH}",
        **maker.equipment,
    )
    # Empty where nobody says: needed if the body part might be one of two.
    made.Laterality = series.images[0].get("Laterality", "")
    return made
