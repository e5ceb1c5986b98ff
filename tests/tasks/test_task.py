"""A task is valid once built, and its regions and labels are two views of one thing."""

import pickle
from dataclasses import FrozenInstanceError
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.errors import SetupError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Collection, Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.task_file import load_task, task_names
from tests.tasks.sample_tasks import CHAIN, CROSSING, FAMILY, SIBLINGS, WHITE, make_task

SHAPE = (5, 6, 7)
SHIPPED = {name: load_task(name) for name in task_names()}
SAMPLES = {
    "chain": make_task(CHAIN),
    "siblings": make_task(SIBLINGS),
    "family": make_task(FAMILY),
    "crossing": make_task(CROSSING),
}
TASKS = pytest.mark.parametrize("task", (SHIPPED | SAMPLES).values(), ids=SHIPPED | SAMPLES)


def labels(task, seed):
    return np.random.default_rng(seed).integers(0, len(task.labels) + 1, SHAPE).astype(np.uint8)


def slow_label(task, claimed):
    """Decide one voxel by the words of the docstring, region by region and label by label."""
    left = set(claimed)
    for region in task.regions:
        for outer in task.regions:
            if set(region.labels) < set(outer.labels) and outer.name not in claimed:
                left.discard(region.name)
    best, most = 0, 0
    for label in task.labels:
        own = {region.name for region in task.regions if label.value in region.labels}
        if own <= left and len(own) > most:
            best, most = label.value, len(own)
    return best


@TASKS
@given(seed=st.integers(0, 1000))
def test_labels_to_regions_to_labels_is_the_identity(task, seed):
    regions = task.labels_to_regions(labels(task, seed))
    assert regions.shape == (task.n_regions, *SHAPE)
    assert regions.dtype == np.uint8
    merged = task.regions_to_labels(regions.astype(bool))
    assert merged.dtype == np.uint8
    assert np.array_equal(merged, labels(task, seed))


@TASKS
def test_every_set_of_regions_gives_the_label_that_a_slow_reading_gives(task):
    for flags in product((False, True), repeat=task.n_regions):
        claimed = {
            name for name, is_claimed in zip(task.region_names, flags, strict=True) if is_claimed
        }
        merged = task.regions_to_labels(np.array(flags).reshape(-1, 1, 1, 1))
        assert merged.item() == slow_label(task, claimed), claimed


@TASKS
@given(seed=st.integers(0, 1000))
def test_regions_are_nested_after_merging_whatever_came_in(task, seed):
    claimed = np.random.default_rng(seed).random((task.n_regions, *SHAPE)) > 0.5
    merged = task.labels_to_regions(task.regions_to_labels(claimed))
    for region, inner in zip(task.regions, merged, strict=True):
        for outer, around in zip(task.regions, merged, strict=True):
            if outer.holds(region):
                assert (inner <= around).all()


def test_a_region_that_holds_no_label_of_its_own_is_nowhere_without_those_within():
    """In brain tumours every region has a label of its own; where one has none, nothing is left."""
    task = make_task({"all": (1, 2), "left": (1,), "right": (2,)})
    only_outer = np.array([True, False, False]).reshape(3, 1, 1, 1)
    assert task.regions_to_labels(only_outer).item() == 0


def test_of_siblings_that_both_claim_a_voxel_the_lower_label_wins():
    both = np.ones((2, 1, 1, 1), bool)
    assert SAMPLES["siblings"].regions_to_labels(both).item() == 1


def test_maps_that_are_not_boolean_are_merged_as_such():
    task = SAMPLES["chain"]
    regions = task.labels_to_regions(labels(task, 3))
    assert np.array_equal(task.regions_to_labels(regions), labels(task, 3))


def test_each_label_belongs_to_the_regions_that_brats_defines():
    tc, wt, et = DEFAULT_TASK.labels_to_regions(np.arange(4).reshape(4, 1, 1))[:, :, 0, 0]
    assert tc.tolist() == [0, 1, 0, 1]
    assert wt.tolist() == [0, 1, 1, 1]
    assert et.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("T1", "t1n"),
        ("t1ce", "t1c"),
        ("T1Gd", "t1c"),
        ("t2", "t2w"),
        (" FLAIR ", "t2f"),
        ("T2-FLAIR", "t2f"),
        ("t2_flair", "t2f"),
        ("fla", "t2f"),
    ],
)
def test_names_in_common_use_mean_one_modality(name, modality):
    assert DEFAULT_TASK.canonical_modality(name) == modality


def test_a_name_means_what_the_task_says():
    assert SHIPPED["ms_lesions"].canonical_modality("FLAIR") == "flair"
    assert SHIPPED["ms_lesions"].parse_modalities("T2w,mprage") == ("t1", "t2")
    assert DEFAULT_TASK.parse_modalities("flair,T1ce") == ("t1c", "t2f")


def test_an_unknown_name_is_refused_with_the_names_that_are_known():
    with pytest.raises(ValueError, match=r"one of .*flair.*got 'dwi'"):
        DEFAULT_TASK.canonical_modality("dwi")
    with pytest.raises(ValueError, match=r"one of .*mprage.*got 't1ce'"):
        SHIPPED["ms_lesions"].parse_modalities("flair,t1ce")


@TASKS
def test_each_non_empty_modality_set_occurs_once_small_ones_first(task):
    sets = task.modality_sets()
    names = task.modality_names
    assert len(sets) == len(set(sets)) == 2**task.n_modalities - 1
    assert sets[: len(names)] == tuple((name,) for name in names)
    assert sets[-1] == names
    assert task.all_sets() == [list(task.presence_flags(chosen)) for chosen in sets]
    assert task.single_sets() == task.all_sets()[: len(names)]


def test_flags_and_order_are_those_of_the_channels_whatever_the_order_of_names():
    assert DEFAULT_TASK.presence_flags(["t2f", "t1n"]) == (True, False, False, True)
    assert DEFAULT_TASK.in_order({"t2f", "t1n", "pet"}) == ("t1n", "t2f")
    assert DEFAULT_TASK.single_sets(["t2f", "t1n"]) == [
        [True, False, False, False],
        [False, False, False, True],
    ]


def test_regions_and_labels_are_ordered_from_the_outside():
    assert DEFAULT_TASK.outer_first == ("WT", "TC", "ET")
    assert DEFAULT_TASK.outer_labels_first[0] == 2
    assert SAMPLES["chain"].outer_first == ("outer", "middle", "inner")


def test_parts_are_found_by_name():
    assert DEFAULT_TASK.modality("t1c").agent is True
    assert DEFAULT_TASK.label_names[0] == "background"
    assert DEFAULT_TASK.numbering("msd").name == "msd"
    assert DEFAULT_TASK.default_numbering.name == "brats2023"
    with pytest.raises(ValueError, match=r"numbering must be one of plain; got 'msd'"):
        SHIPPED["ms_lesions"].numbering("msd")


def test_a_region_holds_those_whose_labels_are_among_its_own_but_not_itself():
    outer, inner = Region("a", "a", (1, 2), WHITE), Region("b", "b", (2,), WHITE)
    assert outer.holds(inner)
    assert not inner.holds(outer)
    assert not outer.holds(outer)


@TASKS
def test_a_task_works_in_another_process_as_it_did_here(task):
    assert task.regions_to_labels(np.ones((task.n_regions, 1, 1, 1), bool)).item() > 0
    copy = pickle.loads(pickle.dumps(task))
    for field in ("name", "modalities", "labels", "regions", "phantom", "modality_names"):
        assert getattr(copy, field) == getattr(task, field)
    regions = copy.labels_to_regions(labels(task, 5))
    assert np.array_equal(copy.regions_to_labels(regions.astype(bool)), labels(task, 5))
    numbering = copy.default_numbering
    assert np.array_equal(numbering.read(numbering.write(labels(task, 5))), labels(task, 5))
    assert copy.canonical_modality(task.modality_names[0].upper()) == task.modality_names[0]


@TASKS
def test_a_task_is_a_key_that_means_this_object_and_cannot_be_changed(task):
    copy = pickle.loads(pickle.dumps(task))
    assert {task: "a", copy: "b"} == {copy: "b", task: "a"}
    assert {task: "a"}.get(copy) is None
    with pytest.raises(FrozenInstanceError):
        task.name = "other"


LESION = Label(1, "lesion", WHITE)
ALL = Region("all", "all", (1,), WHITE)
CT, PET = Modality("ct", "CT"), Modality("pet", "PET")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"modalities": ()}, r"modalities must be named, and differ; got \[\]"),
        ({"modalities": (CT, CT)}, "modalities must be named, and differ"),
        ({"modalities": (CT, Modality("pet", "PET", ("ct",)))}, "aliases must be named, and"),
        ({"modalities": (CT, Modality("PET", "PET"))}, "lower-case letters and digits.*got PET"),
        ({"modalities": (CT, Modality("pet", "PET", ("fdg-pet",)))}, "lower-case .*got fdg-pet"),
        ({"modalities": (CT, Modality("seg", "PET"))}, "and not seg, label, patient; got seg"),
        ({"modalities": (CT, Modality("pet", "PET", family="x"))}, "pet must be of a family"),
        ({"modalities": (CT, Modality("pet", "PET", over="mr"))}, "pet must be over another"),
        ({"shown_first": ("ct",)}, "shown_first must name every modality once"),
        ({"opened_first": ("ct", "ct")}, "opened_first must name every modality once"),
        ({"labels": ()}, "labels must be named"),
        ({"labels": (LESION, Label(2, "lesion", WHITE))}, "labels must be named, and differ"),
        ({"labels": (Label(2, "lesion", WHITE),)}, r"labels must have the values 1, 2 .*got \[2\]"),
        (
            {"labels": (Label(1, "lesion", "red"),)},
            "colour of lesion must be like #56c4ff; got red",
        ),
        ({"labels": (LESION, Label(2, "scar", WHITE))}, "every label must lie in regions"),
        (
            {"labels": (Label(1, "lesion", WHITE, words="("),)},
            r"pattern of lesion must be a reg.*'\('",
        ),
        ({"regions": ()}, "regions must be named"),
        (
            {"regions": (ALL, Region("ALL", "all", (1,), WHITE))},
            "regions must be named, and differ",
        ),
        ({"regions": (ALL, Region("one", "one", (1,), WHITE))}, "no two regions may have the same"),
        ({"regions": (ALL, Region("two", "two", (2,), WHITE))}, "two must have labels of the task"),
        (
            {"regions": (ALL, Region("none", "none", (), WHITE))},
            "none must have labels of the task",
        ),
        ({"regions": (Region("a-b", "all", (1,), WHITE),)}, "regions must be letters and digits"),
        (
            {"regions": (Region("all", "all", (1,), WHITE, "["),)},
            "pattern of all must be a regular",
        ),
        ({"numberings": {}}, "it must have a numbering"),
        ({"numberings": {"a": Numbering("a", {})}}, "numbering a must lead to every label"),
        ({"numberings": {"a": Numbering("a", {1: 1, 2: 2})}}, "a must lead to every label"),
        ({"numberings": {"a": Numbering("a", {0: 1})}}, "a must have each value from 1 to 255"),
        ({"numberings": {"a": Numbering("a", {256: 1})}}, "a must have each value from 1 to 255"),
        (
            {"numberings": {"a": Numbering("a", {1: 1}, {1: "scar"})}},
            "each value from 1 to 255 once",
        ),
        (
            {"numberings": {"a": Numbering("a", {1: 1}, others_words="(")}},
            "pattern of a must be a regular",
        ),
        (
            {"numberings": {"a": Numbering("a", {1: 1}, decathlon={1: "("})}},
            "pattern of a must be a regular",
        ),
        ({"collections": (Collection("c", "x", ("a",)),)}, "c must have numberings of the task"),
        ({"collections": (Collection("c", "(", ()),)}, "pattern of c must be a regular"),
        (
            {"doubtful": {"a": {1: "scar"}}},
            r"doubtful must name numberings of the task; got \['a'\]",
        ),
        ({"outside": "air"}, "outside must be zero, a number or null; got air"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changed, words):
    with pytest.raises(SetupError, match=f"Task sample: .*{words}") as caught:
        make_task({"all": (1,)}, **changed)
    assert caught.value.code == "E_TASK"
    assert str(caught.value).endswith("Correct its file.")


def test_two_labels_that_no_region_tells_apart_are_refused():
    with pytest.raises(SetupError, match="no two in the same; got"):
        make_task({"all": (1, 2)})


def test_regions_are_few_enough_to_look_up_all_their_sets():
    regions = {f"r{n}": (n,) for n in range(1, 18)}
    with pytest.raises(SetupError, match="at most 16 regions; got 17"):
        make_task(regions)


@pytest.mark.parametrize("outside", ["zero", None, -900])
def test_outside_may_be_zero_a_threshold_or_nothing(outside):
    assert make_task(CHAIN, outside=outside).outside == outside
