"""Reads multi-frame headers: one file for all slices, with what they share and what each has."""

from collections.abc import Iterator
from typing import Any

from bundle.dicom.instance import Measured, Place

KEYWORDS = (
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
    "ContrastBolusAgentSequence",
    "EchoPulseSequence",
    "EchoPlanarPulseSequence",
    "VolumetricProperties",
)


def frame_places(header: Any) -> tuple[Place, ...]:
    """Return where the frames lie, in their order."""
    shared = _first(header, "SharedFunctionalGroupsSequence")
    return tuple(_place((frame, shared)) for frame in header.PerFrameFunctionalGroupsSequence or ())


def measured_enhanced(header: Any) -> Measured:
    """Return how the first frame was measured, in the words of single-frame headers.

    The b-value is None where frames differ in it: then they are no single stack anyway.
    """
    shared = _first(header, "SharedFunctionalGroupsSequence")
    groups = (_first(header, "PerFrameFunctionalGroupsSequence"), shared)
    inversion = _value(groups, "MRModifierSequence", "InversionRecovery")
    times = _value(groups, "MRModifierSequence", "InversionTimes")
    kind = str(header.get("VolumetricProperties") or "")
    encoded = _value(groups, "MRFOVGeometrySequence", "MRAcquisitionType")
    dimensions = header.get("MRAcquisitionType") or encoded or ("" if kind != "VOLUME" else "3D")
    return Measured(
        te=_number(_value(groups, "MREchoSequence", "EffectiveEchoTime")),
        tr=_number(_value(groups, "MRTimingAndRelatedParametersSequence", "RepetitionTime")),
        ti=_number(times) or None,
        sequence=tuple(_sequence(header, str(inversion or ""))),
        dimensions=str(dimensions),
        b_value=_number(_value(groups, "MRDiffusionSequence", "DiffusionBValue")),
    )


def _sequence(header: Any, inversion: str) -> Iterator[str]:
    pulse = str(header.get("EchoPulseSequence") or "")
    if pulse in ("SPIN", "BOTH"):
        yield "SE"
    if pulse in ("GRADIENT", "BOTH"):
        yield "GR"
    if str(header.get("EchoPlanarPulseSequence") or "") == "YES":
        yield "EP"
    if inversion == "YES":
        yield "IR"


def _place(groups: tuple[Any, ...]) -> Place:
    position = _numbers(_value(groups, "PlanePositionSequence", "ImagePositionPatient"), 3)
    spacing = _numbers(_value(groups, "PixelMeasuresSequence", "PixelSpacing"), 2)
    slope = _number(_value(groups, "PixelValueTransformationSequence", "RescaleSlope"))
    intercept = _number(_value(groups, "PixelValueTransformationSequence", "RescaleIntercept"))
    return Place(
        position=None if position is None else (position[0], position[1], position[2]),
        orientation=_numbers(
            _value(groups, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
        ),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        thickness_mm=_number(_value(groups, "PixelMeasuresSequence", "SliceThickness")),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
    )


def _value(groups: tuple[Any, ...], sequence: str, keyword: str) -> Any:
    """Return what a frame's own groups say, else what all share; None if neither does."""
    for group in groups:
        item = None if group is None else _first(group, sequence)
        if item is not None and item.get(keyword) is not None:
            return item.get(keyword)
    return None


def _first(item: Any, sequence: str) -> Any:
    entries = item.get(sequence)
    return entries[0] if entries else None


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    try:
        return float(value)
    except TypeError:  # several: the first one counts
        return float(value[0]) if len(value) else None


def _numbers(value: Any, n: int) -> tuple[float, ...] | None:
    return None if value is None or len(value) != n else tuple(float(one) for one in value)
