from itertools import chain, combinations

import numpy as np
import pytest

from bundle.data.exam_record import ExamRecord
from bundle.data.labels import certain_convention, read_label_map
from bundle.data.loading import LoadExamd
from bundle.errors import CaseError
from bundle.regions import CONVENTIONS, REGIONS
from tests.data.datasets import stripes, write_case
from tests.data.nifti_samples import save

OLD, NEW, UNNAMED = "case_seg.nii", "case-seg.nii", "truth.nii"
COMBINATIONS = tuple(chain.from_iterable(combinations((1, 2, 3, 4), size) for size in range(5)))


def expected_convention(name: str, values: tuple[int, ...]) -> str | None:
    """The rule as a table: what is certain, None for what must be declared."""
    if name == OLD:
        return None if 3 in values else "brats2021"
    if name == NEW:
        return "brats2023" if 4 not in values else ("brats2024" if 3 in values else None)
    return None


def write_label(folder, name, values):
    return save(folder / name, data=stripes(0, *values))


@pytest.mark.parametrize("values", COMBINATIONS, ids=str)
@pytest.mark.parametrize("name", [OLD, NEW, UNNAMED])
def test_a_numbering_is_taken_where_name_and_values_leave_no_doubt_and_refused_elsewhere(tmp_path, name, values):
    path = write_label(tmp_path, name, values)
    expected = expected_convention(name, values)
    if expected is None:
        with pytest.raises(CaseError) as caught:
            read_label_map(path, case_id="case7")
        assert caught.value.code == "E_LABELS"
        assert all(part in str(caught.value) for part in ("case7", name, "Declare"))
    else:
        label = read_label_map(path, case_id="case7")
        assert label.convention == expected
        assert np.array_equal(label.values, _by_hand(stripes(0, *values), expected))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("values", COMBINATIONS, ids=str)
def test_a_declared_numbering_needs_no_name_and_refuses_only_foreign_values(tmp_path, convention, values):
    path = write_label(tmp_path, UNNAMED, values)
    if set(values) <= set(CONVENTIONS[convention]):
        label = read_label_map(path, case_id="x", declared=convention)
        assert np.array_equal(label.values, _by_hand(stripes(0, *values), convention))
    else:
        with pytest.raises(CaseError, match="got also"):
            read_label_map(path, case_id="x", declared=convention)


def _by_hand(stored: np.ndarray, convention: str) -> np.ndarray:
    renumbered = np.zeros_like(stored)
    for disk, here in CONVENTIONS[convention].items():
        renumbered[stored == disk] = here
    return renumbered


def test_a_four_without_a_three_is_refused_with_both_meanings(tmp_path):
    path = write_label(tmp_path, NEW, (1, 2, 4))
    with pytest.raises(CaseError, match=r"brats2021.*resection cavity \(brats2024\)"):
        read_label_map(path, case_id="x")
    old, new = (read_label_map(path, case_id="x", declared=name) for name in ("brats2021", "brats2024"))
    assert (old.values == 3).sum() == (stripes(0, 1, 2, 4) == 4).sum()
    assert not (new.values == 3).any()


@pytest.mark.parametrize("value", [5, 255])
@pytest.mark.parametrize("convention", [None, *CONVENTIONS])
def test_a_value_of_no_numbering_is_refused_beside_good_ones(tmp_path, convention, value):
    path = write_label(tmp_path, NEW, (1, 2, 3, value))
    with pytest.raises(CaseError, match=str(value)):
        read_label_map(path, case_id="x", declared=convention)


def test_the_counts_are_of_the_values_in_the_file(tmp_path):
    label = read_label_map(write_label(tmp_path, OLD, (1, 4)), case_id="x")
    assert label.counts == {value: int((stripes(0, 1, 4) == value).sum()) for value in (0, 1, 4)}


def test_only_the_name_and_the_values_decide_not_the_order_or_kind_of_the_values(tmp_path):
    assert certain_convention(tmp_path / NEW, {4, 3}) == certain_convention(tmp_path / NEW, [3, 4]) == "brats2024"


def test_a_cavity_is_in_no_region_and_the_record_says_so(tmp_path):
    folder = write_case(tmp_path / "case7", label=stripes(0, 1, 2, 3, 4))
    case = LoadExamd(with_label=True)({"image": folder})
    cavity = stripes(0, 1, 2, 3, 4) == 4
    assert not case["label"].numpy()[:, cavity].any()
    assert case["label"].numpy()[REGIONS.index("WT")].sum() == np.isin(stripes(0, 1, 2, 3, 4), (1, 2, 3)).sum()
    (warning,) = ExamRecord.from_json(case["record"]).warnings
    assert warning.startswith(f"label: {cavity.sum()} voxels of value 4, resection cavity")


def test_data_declared_to_have_cavities_are_read_without_a_warning_where_there_is_none(tmp_path):
    folder = write_case(tmp_path / "case7", label=stripes(0, 1, 2, 3))
    case = LoadExamd(with_label=True, label_convention="brats2024")({"image": folder})
    assert ExamRecord.from_json(case["record"]).warnings == ()
