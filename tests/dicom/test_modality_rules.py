"""Which series is which modality: sure where independent evidence agrees, else asked for."""

import dataclasses
from pathlib import Path

import pytest

from bundle.dicom.instance import Instance, Measured, Pixels, Place
from bundle.dicom.modality_rules import Certainty, judge_series
from bundle.dicom.series import Series
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task_file import load_task

MPRAGE = Measured(te=3, tr=2300, ti=900, sequence=("GR", "IR"), dimensions="3D")
SPIN_ECHO = Measured(te=11, tr=560, sequence=("SE",), dimensions="2D")
SPOILED = Measured(te=3.7, tr=8, sequence=("GR",), dimensions="3D")
T2 = Measured(te=98, tr=5200, sequence=("SE",), dimensions="2D")
FLAIR = Measured(te=86, tr=9000, ti=2500, sequence=("SE", "IR"), dimensions="2D")


def series(name, measured, number=1, **given) -> Series:
    """Return a series of 20 slices, measured in the minute of its number."""
    place = Place((0, 0, 0), (1, 0, 0, 0, 1, 0), (1, 1), 1)
    instance = Instance(
        path=Path("x"),
        sop_class="1.2.840.10008.5.1.4.1.1.4",
        sop_uid="1",
        study_uid="1",
        series_uid=str(number),
        patient="",
        scanner="MR",
        number=number,
        description=name,
        protocol="",
        image_type=("ORIGINAL", "PRIMARY", "M"),
        measured=measured,
        agent=None,
        time=f"20200101{number:06d}",
        pixels=Pixels(10, 10, 20, 1, "", False),
        places=(place,) * 20,
    )
    return Series((dataclasses.replace(instance, **given),))


def judged(*several, task=DEFAULT_TASK):
    return list(judge_series(several, task).values())


def said(*several, task=DEFAULT_TASK):
    """Return for each series its modality, what it may be as a set, or None for another thing."""
    found = []
    for one in judged(*several, task=task):
        sure = one.certainty is Certainty.SURE
        found.append(one.possible[0] if sure else set(one.possible) or None)
    return found


T1S = {"t1n", "t1c"}


@pytest.mark.parametrize(
    "name",
    ["t2_tse_tra", "AX T2 FSE", "T2W_TSE", "3DT2 cube", "T2 blade fs", "T2W 3D VISTA"],
)
def test_t2_is_sure_where_name_and_numbers_agree(name):
    assert said(series(name, T2)) == ["t2w"]


@pytest.mark.parametrize(
    "name",
    [
        "t2_tirm_tra_dark-fluid",
        "AX T2 FLAIR",
        "FLAIR_longTR",
        "3D FLAIR",
        "T2W_FLAIR",
        "darkfluid",
        "t2_spc_da-fl_sag_p2_iso_1.0",
    ],
)
def test_flair_is_sure_where_name_and_numbers_agree(name):
    assert said(series(name, FLAIR)) == ["t2f"]


@pytest.mark.parametrize(
    ("name", "measured"),
    [("t2_tse_tra", FLAIR), ("t2_flair", T2), ("AX T2", dataclasses.replace(FLAIR, sequence=()))],
)
def test_a_name_against_the_numbers_is_unclear(name, measured):
    assert said(series(name, measured)) == [{"t2w", "t2f"}]


@pytest.mark.parametrize("sequence", [(), ("RM",)])
def test_a_long_repetition_without_inversion_time_is_unknown(sequence):
    """306 FLAIRs without TI would be called T2; what says that nothing was inverted is needed."""
    unknown = Measured(te=90, tr=9000, sequence=sequence)
    assert said(series("T2", unknown)) == [{"t2w", "t2f"}]
    assert said(series("brain", unknown)) == [{"t2w", "t2f"}]


@pytest.mark.parametrize("measured", [T2, FLAIR, MPRAGE, SPIN_ECHO])
def test_numbers_without_a_name_are_not_enough(measured):
    (one,) = judged(series("brain", measured))
    assert one.certainty is Certainty.UNCLEAR


@pytest.mark.parametrize("name", ["t2_tse", "flair", "t1 post gd"])
def test_a_name_without_numbers_is_not_enough(name):
    (one,) = judged(series(name, Measured()))
    assert one.certainty is Certainty.UNCLEAR


@pytest.mark.parametrize(
    "name",
    [
        *("t1_mprage_post", "T1 +C", "AX T1 C+", "T1 gad", "t1_mprage_sag KM", "T1W_3D_TFE+C"),
        *("T1 post contrast", "t1ce", "T1 mit KM", "MPRAGE Gadovist", "T1_GD"),
    ],
)
def test_a_name_that_says_contrast_agent_tells_t1_with_it(name):
    assert said(series(name, MPRAGE)) == ["t1c"]


@pytest.mark.parametrize(
    "name", ["t1_mprage_pre", "T1 native", "T1 ohne KM", "t1 without contrast", "T1 pre gd"]
)
def test_a_name_that_says_no_contrast_agent_tells_t1_without_it(name):
    assert said(series(name, SPOILED)) == ["t1n"]


@pytest.mark.parametrize("name", ["t1_mpr_sag_p2_iso", "MPRAGE", "FSPGR BRAVO", "t1 tfe"])
def test_t1_of_a_study_without_a_word_on_contrast_agent_is_either(name):
    """Mprage is not left out for its `mpr`, and what is not said is not taken for no."""
    assert said(series(name, SPOILED)) == [T1S]


@pytest.mark.parametrize(
    "name", ["t1_mprage pre-op", "T1 PRE OP", "t1 post op", "T1 post surgery", "t1_post_RT"]
)
def test_before_and_after_an_operation_says_nothing_of_contrast_agent(name):
    assert said(series(name, MPRAGE)) == [T1S]
    assert said(series(f"{name} +gd", MPRAGE)) == ["t1c"]


def test_after_the_first_enhanced_series_every_series_is_enhanced():
    assert said(series("T1 +gd", SPIN_ECHO, 1), series("mprage", MPRAGE, 2)) == ["t1c", "t1c"]
    assert said(series("T1 +gd", SPIN_ECHO, 1), series("mprage pre", MPRAGE, 2)) == ["t1c", T1S]


def test_a_series_before_the_first_enhanced_one_is_not_native_for_that_alone():
    """Its agent may have been given before, with the name and the tag forgotten."""
    assert said(series("mprage", MPRAGE, 1), series("T1 cor +gd", SPIN_ECHO, 2)) == [T1S, "t1c"]


def test_a_series_before_the_first_enhanced_one_is_native_where_it_lacks_what_that_has():
    tagged = series("T1 cor", SPIN_ECHO, 2, agent=True)
    assert said(series("mprage", MPRAGE, 1), tagged) == ["t1n", "t1c"]
    twin = series("t1_mprage_KM", MPRAGE, 2)
    assert said(series("t1_mprage", MPRAGE, 1), twin) == ["t1n", "t1c"]


def test_a_tag_that_every_series_has_tells_nothing():
    """Some scanners write the agent into the whole exam, images before its injection too."""
    several = [series(name, MPRAGE, n, agent=True) for n, name in enumerate(("mprage", "t1"), 1)]
    assert said(*several) == [T1S, T1S]
    assert said(series("t1", MPRAGE, 2, agent=True), series("t2", T2, 1)) == ["t1c", "t2w"]


def test_a_tag_against_the_name_is_unclear():
    assert said(series("t1 pre", MPRAGE, 1, agent=True), series("t2", T2, 2)) == [T1S, "t2w"]
    assert said(series("t1 post", MPRAGE, 1, agent=False)) == [T1S]


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("t1 flair", Measured(te=20, tr=2100, ti=860, sequence=("SE", "IR"))),
        ("T1W_TSE", Measured(te=10, tr=600, sequence=("SE",))),
        ("SAG FSPGR BRAVO", Measured(te=3.2, tr=8.2, ti=450, sequence=("GR",))),
        ("t1_space", Measured(te=17, tr=700, sequence=("SE",))),
    ],
)
def test_t1_is_measured_in_several_ways(name, measured):
    assert said(series(f"{name} +c", measured)) == ["t1c"]


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("STIR cor", Measured(te=60, tr=4500, ti=180, sequence=("SE", "IR"))),
        ("brain", Measured(te=60, tr=4500, ti=180, sequence=("SE", "IR"))),
        ("pd_tse", Measured(te=12, tr=3000, sequence=("SE",))),
        ("t2*_fl2d_hemo", Measured(te=20, tr=700, sequence=("GR",))),
        ("T2 star", T2),
        ("SWI", Measured(te=20, tr=28, sequence=("GR",))),
        ("t2_swi3d_tra", Measured(te=20, tr=28, sequence=("GR",))),
        ("t2_fl2d_tra_hemo", Measured(te=20, tr=620, sequence=("GR",))),
        ("dADC_map", T2),
        ("ep2d_diff", Measured(te=90, tr=6000, sequence=("EP",))),
        ("brain", Measured(te=90, tr=6000, sequence=("EP",))),
        ("t1_vibe_dce", SPOILED),
        ("T1 map", MPRAGE),
        ("TOF 3D", Measured(te=3.4, tr=21, sequence=("GR",))),
        ("t1 sub", MPRAGE),
        ("t1 mip", MPRAGE),
        ("localizer", SPOILED),
    ],
)
def test_what_is_no_plain_image_is_none(name, measured):
    assert said(series(name, measured)) == [None]


@pytest.mark.parametrize("kind", ["ADC", "MIP", "SUBTRACTION", "P", "LOCALIZER"])
def test_what_image_type_calls_a_map_is_none_whatever_its_name(kind):
    one = series("t2_tse", T2, image_type=("DERIVED", "PRIMARY", kind))
    assert said(one) == [None]


def test_a_protocol_that_says_something_else_than_the_description_is_unclear():
    assert said(series("t2_tse", T2, protocol="flair")) == [{"t2w", "t2f"}]


def test_a_task_without_enhanced_images_leaves_them_out():
    task = load_task("ms_lesions")
    several = [series("t1 pre", MPRAGE, 1), series("t1 post", MPRAGE, 2), series("flair", FLAIR, 3)]
    assert said(*several, task=task) == ["t1", None, "flair"]


def test_a_task_may_take_what_others_leave_out():
    kinds = load_task("ms_lesions").series
    wanted = dataclasses.replace(kinds["t2"], name="diffusion", names="dwi", physics=())
    task = dataclasses.replace(load_task("ms_lesions"), series={**kinds, "diffusion": wanted})
    (one,) = judged(series("DWI", T2), task=task)
    assert "diffusion or a map" not in one.why


@pytest.mark.parametrize("name", [*DEFAULT_TASK.series])
def test_every_kind_of_the_task_is_a_modality_or_a_family(name):
    assert DEFAULT_TASK.of_kind(name)
