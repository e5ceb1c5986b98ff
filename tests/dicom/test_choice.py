"""Of several series the best one is taken, and a doubt that matters is not passed over."""

import dataclasses

import pytest

from bundle.dicom.choice import choose
from bundle.dicom.instance import Place
from bundle.dicom.modality_rules import judge_series
from bundle.dicom.series import Series
from bundle.tasks.default import DEFAULT_TASK
from tests.dicom.test_modality_rules import FLAIR, MPRAGE, T2, series


def stacked(one: Series, step=1.0, **measured) -> Series:
    """Give the slices of a series places."""
    first = one.first
    places = tuple(
        Place((0.0, 0.0, step * k), (1, 0, 0, 0, 1, 0), (1.0, 1.0), step) for k in range(20)
    )
    changed = dataclasses.replace(first.measured, **measured)
    return Series((dataclasses.replace(first, places=places, measured=changed),))


def chosen(*several):
    choice = choose(several, judge_series(several, DEFAULT_TASK), DEFAULT_TASK, "case")
    return choice, {name: one.series.first.number for name, one in choice.chosen.items()}


@pytest.mark.parametrize(
    ("worse", "better", "words"),
    [
        ({"step": 3.0, "dimensions": "2D"}, {"step": 3.0, "dimensions": "3D"}, "3D"),
        ({"step": 3.0}, {"step": 1.0}, "1.00 mm"),
    ],
)
def test_three_dimensions_and_thin_slices_are_preferred(worse, better, words):
    several = [stacked(series("t2", T2, 1), **worse), stacked(series("t2", T2, 2), **better)]
    choice, numbers = chosen(*several)
    assert numbers == {"t2w": 2}
    assert choice.others == ("Series 1 (t2) is not used: series 2 (t2) is preferred for t2w.",)
    assert words in choice.chosen["t2w"].evidence[-1]


def test_an_original_is_preferred_to_what_was_computed_of_it():
    derived = stacked(series("t2", T2, 1, image_type=("DERIVED", "SECONDARY", "MPR")), step=1.0)
    assert chosen(derived, stacked(series("t2", T2, 2), step=3.0))[1] == {"t2w": 2}
    assert chosen(derived)[1] == {"t2w": 1}


def test_equal_series_are_unclear():
    choice, numbers = chosen(stacked(series("t2", T2, 1)), stacked(series("t2", T2, 2)))
    assert numbers == {}
    assert dict.fromkeys(choice.unclear.values()) == {"it is one of 2 equal series of t2w": None}


def test_an_unclear_series_matters_only_where_a_modality_is_not_found_otherwise():
    misnamed = stacked(series("t2 lobe", FLAIR, 3))
    sure = [stacked(series("t2", T2, 1)), stacked(series("flair", FLAIR, 2))]
    assert list(chosen(*sure, misnamed)[0].unclear) == []
    assert list(chosen(sure[0], misnamed)[0].unclear) == ["3"]


def test_contrast_agent_without_its_tag_is_warned_of():
    choice, numbers = chosen(stacked(series("t1 post", MPRAGE, 1)))
    assert numbers == {"t1c": 1}
    assert choice.warnings == (
        "Series 1 (t1 post) is taken for t1c although its headers name no ContrastBolusAgent: its"
        " name says contrast agent.",
    )
