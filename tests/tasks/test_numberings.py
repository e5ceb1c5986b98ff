"""A numbering reads what is on disk, and writes what it reads back."""

import numpy as np
import pytest

from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Collection, Numbering
from bundle.tasks.task_file import load_task, task_names

ALL = [(task, name) for task in map(load_task, task_names()) for name in task.numberings]


@pytest.mark.parametrize(("task", "name"), ALL, ids=[f"{t.name}-{name}" for t, name in ALL])
def test_what_is_written_is_read_back(task, name):
    numbering = task.numbering(name)
    label = np.random.default_rng(1).integers(0, len(task.labels) + 1, (5, 6, 7)).astype(np.uint8)
    written = numbering.write(label)
    assert written.dtype == np.uint8
    assert set(np.unique(written)) <= set(numbering.written)
    assert np.array_equal(numbering.read(written), label)


@pytest.mark.parametrize(("task", "name"), ALL, ids=[f"{t.name}-{name}" for t, name in ALL])
def test_every_label_is_written_with_one_value_and_the_background_with_0(task, name):
    numbering = task.numbering(name)
    assert sorted(numbering.written.values()) == [0, *(label.value for label in task.labels)]
    assert numbering.written[0] == 0
    assert list(numbering.written) == sorted(numbering.written)
    assert all(numbering.table[disk] == here for disk, here in numbering.written.items())


def test_brats_2021_numbers_enhancing_tumour_four_and_msd_swaps_core_and_oedema():
    label = np.array([0, 1, 2, 3])
    assert DEFAULT_TASK.numbering("brats2021").write(label).tolist() == [0, 1, 2, 4]
    assert DEFAULT_TASK.numbering("msd").read(label).tolist() == [0, 2, 1, 3]


def test_of_two_values_that_are_read_alike_the_first_is_written():
    """Paediatric cysts are read as core, and core is written as non-enhancing."""
    numbering = DEFAULT_TASK.numbering("brats-ped")
    assert numbering.read(np.array([0, 1, 2, 3, 4])).tolist() == [0, 3, 1, 1, 2]
    assert numbering.write(np.array([0, 1, 2, 3])).tolist() == [0, 2, 4, 1]


def test_what_is_no_finding_is_read_as_background_and_is_never_written():
    numbering = DEFAULT_TASK.numbering("brats2024")
    assert numbering.read(np.array([0, 1, 2, 3, 4])).tolist() == [0, 1, 2, 3, 0]
    assert numbering.write(np.array([0, 1, 2, 3])).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("values", [[0, 4], [0, -1], [300]])
def test_a_value_that_a_numbering_does_not_have_is_refused(values):
    with pytest.raises(ValueError, match=r"\[0, 1, 2, 3\] for brats2023; got also \[(4|-1|300)\]"):
        DEFAULT_TASK.numbering("brats2023").read(np.array(values))


def test_values_of_any_integer_type_are_read():
    numbering = Numbering("high", {255: 1, 7: 2})
    for dtype in (np.uint8, np.int16, np.int64, np.uint64):
        assert numbering.read(np.array([0, 7, 255], dtype)).tolist() == [0, 2, 1]
    assert numbering.write(np.array([0, 1, 2])).tolist() == [0, 255, 7]


def test_a_collection_is_known_by_its_name_in_any_case_of_letters():
    collection = Collection("BraTS-GLI", "brats[-_ ]?gli(?![a-z])", ("brats2023",))
    assert collection.has("BraTS-GLI-00001-000-seg.nii.gz")
    assert collection.has("brats_gli")
    assert not collection.has("BraTS-glioma")
