"""A label map as a DICOM segmentation."""

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from bundle.files.hashes import sha256_of
from bundle.outputs.dicom.identity import (
    NAME,
    RESEARCH,
    RESEARCH_QUALIFICATION,
    SEGMENTATION_SERIES,
    Maker,
    uid_of,
)
from bundle.outputs.dicom.source_series import SourceSeries
from bundle.tasks.parts import Code, Label
from bundle.tasks.task import Task

SNOMED, OWN = "SCT", "99SIMMLM"
"""Schemes of codes; one that begins with 99 is private."""

_OWN_CODE_LETTERS = 16


def make_segmentation(
    label: NDArray[np.uint8], series: SourceSeries, task: Task, maker: Maker
) -> Segmentation:
    """Make a DICOM segmentation with one segment per label, numbered as the task numbers them.

    Labels rather than regions: no voxel is in two segments, so that viewers of one layer show all
    of it, and volumes add up. BINARY rather than LABELMAP, which older viewers do not know.

    Args:
        label: (column, row, image), the task's values.
        series: whose grid that is.
        task: names, codes and colours.
        maker: of the result.
    """
    frames = series.frames(label)
    segmentation = Segmentation(
        source_images=series.images,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[segment(one, series, task, maker) for one in task.labels],
        series_instance_uid=maker.series_uid("segmentation series", series),
        series_number=SEGMENTATION_SERIES,
        sop_instance_uid=maker.object_uid("segmentation", series, sha256_of(frames.data)),
        instance_number=1,
        content_label="SEGMENTATION",
        content_description=RESEARCH,
        series_description=f"{NAME} segmentation - {RESEARCH}",
        omit_empty_frames=bool(frames.any()),
        **maker.equipment,
    )
    segmentation.ContentQualification = RESEARCH_QUALIFICATION
    return segmentation


def segment(label: Label, series: SourceSeries, task: Task, maker: Maker) -> SegmentDescription:
    """Describe a segment: name, codes, colour, and what drew it."""
    return SegmentDescription(
        segment_number=label.value,
        segment_label=label.name,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=type_of(label),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=maker.identification(),
        tracking_uid=tracking_uid(label.name, series),
        tracking_id=label.name,
        anatomic_regions=[anatomy_of(task.anatomy)] if task.anatomy else None,
        display_color=CIELabColor.from_rgb(*bytes.fromhex(label.colour.removeprefix("#"))),
    )


def type_of(label: Label) -> CodedConcept:
    """Return the code of a label; a private one where its task declares none."""
    if label.code is not None:
        return _coded(label.code)
    own = label.name.upper().replace(" ", "_")[:_OWN_CODE_LETTERS]
    return CodedConcept(own, OWN, label.name)


def anatomy_of(code: Code) -> CodedConcept:
    """Return the code of where a task's labels lie."""
    return _coded(code)


def tracking_uid(name: str, series: SourceSeries) -> str:
    """Return the number by which a finding on a series is followed, from report to report."""
    return uid_of("finding", name, series.sha256)


def _coded(code: Code) -> CodedConcept:
    value, meaning = code
    return CodedConcept(value, SNOMED, meaning)
