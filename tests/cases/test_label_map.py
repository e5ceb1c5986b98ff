from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.cases.label_collections import certain_numbering
from bundle.cases.label_map import read_label_map
from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.samples.case_keys import case_key
from tests.datasets.sample_datasets import stripes, write_case
from tests.volumes.nifti_samples import save

OLD, NEW, UNNAMED = "case_seg.nii", "case-seg.nii", "truth.nii"
COMBINATIONS = tuple(chain.from_iterable(combinations((1, 2, 3, 4), size) for size in range(5)))


def expected_numbering(name: str, values: tuple[int, ...]) -> str | None:
    """The rule as a table: what is certain, None for what must be declared."""
    if name == OLD:
        return None if 3 in values else "brats2021"
    if name == NEW:
        return None if 4 in values else "brats2023"
    return None


def write_label(folder, name, values):
    return save(folder / name, data=stripes(0, *values))


@pytest.mark.parametrize("values", COMBINATIONS, ids=str)
@pytest.mark.parametrize("name", [OLD, NEW, UNNAMED])
def test_a_numbering_is_taken_where_name_and_values_leave_no_doubt_and_refused_elsewhere(
    tmp_path, name, values
):
    path = write_label(tmp_path, name, values)
    expected = expected_numbering(name, values)
    if expected is None:
        with pytest.raises(CaseError) as caught:
            read_label_map(path, case_id="case7")
        assert caught.value.code == "E_LABELS"
        assert all(part in str(caught.value) for part in ("case7", name, "Declare"))
    else:
        label = read_label_map(path, case_id="case7")
        assert label.numbering == expected
        assert np.array_equal(label.values, _by_hand(stripes(0, *values), expected))


@pytest.mark.parametrize("numbering", DEFAULT_TASK.numberings)
@pytest.mark.parametrize("values", COMBINATIONS, ids=str)
def test_a_declared_numbering_needs_no_name_and_refuses_only_foreign_values(
    tmp_path, numbering, values
):
    path = write_label(tmp_path, UNNAMED, values)
    if set(values) <= set(DEFAULT_TASK.numberings[numbering].table):
        label = read_label_map(path, case_id="x", declared=numbering)
        assert np.array_equal(label.values, _by_hand(stripes(0, *values), numbering))
    else:
        with pytest.raises(CaseError, match="got also"):
            read_label_map(path, case_id="x", declared=numbering)


def _by_hand(stored: np.ndarray, numbering: str) -> np.ndarray:
    renumbered = np.zeros_like(stored)
    for disk, here in DEFAULT_TASK.numberings[numbering].table.items():
        renumbered[stored == disk] = here
    return renumbered


@pytest.mark.parametrize("values", [(1, 2, 4), (1, 2, 3, 4)], ids=str)
def test_a_four_in_a_file_of_no_known_collection_is_refused_with_its_meanings(tmp_path, values):
    path = write_label(tmp_path, NEW, values)
    with pytest.raises(
        CaseError, match=r"brats2021.*cavity \(brats2024\) or oedema \(brats-ped\).*--labels"
    ):
        read_label_map(path, case_id="x")


CERTAIN = [
    ("BraTS-GLI-00001-000-seg.nii.gz", "c", (1, 2, 3), "brats2023"),
    ("BraTS-GLI-00001-000-seg.nii.gz", "c", (1, 2, 3, 4), "brats2024"),
    ("BraTS-GLI-00001-000-seg.nii.gz", "c", (2, 4), "brats2024"),
    (
        "BraTS-GLI-00001-000_seg.nii.gz",
        "c",
        (2, 4),
        None,
    ),  # may be this program's, written as brats2021
    ("BraTS-GLI-00001-000_seg.nii.gz", "c", (2, 3, 4), "brats2024"),
    (
        "BraTS-GLI-00001-000.nii.gz",
        "c",
        (1, 2, 3),
        None,
    ),  # nnU-Net's converted labels are called so: 1 is oedema
    ("BraTS-MET-00086-000-seg.nii.gz", "c", (1, 2, 3, 4), "brats2024"),
    ("BraTS-PED-00001-000-seg.nii.gz", "c", (1, 2, 3, 4), "brats-ped"),
    ("brats_peds_00001-seg.nii.gz", "c", (2, 4), "brats-ped"),
    (
        "BraTS-PED-00001-000-seg.nii.gz",
        "c",
        (1, 2, 3),
        None,
    ),  # 2023: core, oedema, enhancing; later: otherwise
    ("BraTS-PED-00001-000-seg.nii.gz", "c", (2,), None),
    ("BraTS-PED-00001-000-seg.nii.gz", "c", (), "brats2023"),
    ("BraTS-PED-00001-000_seg.nii.gz", "c", (1, 2, 4), None),
    ("BraTS-SSA-00001-000-seg.nii.gz", "c", (1, 2, 3), "brats2023"),
    ("BraTS-SSA-00001-000-seg.nii.gz", "c", (1, 4), None),
    ("BraTS-MEN-00001-000-seg.nii.gz", "c", (3,), "brats2023"),
    ("BraTS-MEN-RT-0001-1-seg.nii.gz", "c", (1,), None),
    ("BraTS-GoAT-00001-seg.nii.gz", "c", (1, 2, 3), "brats2023"),
    ("BraTS2021_00495_seg.nii.gz", "c", (1, 2, 4), "brats2021"),
    ("BraTS2021_00495-seg.nii.gz", "c", (1, 2, 3), "brats2023"),
    ("BraTS20_Training_001_seg.nii", "c", (1, 2, 3), None),
    ("BraTS20_Training_001.nii", "c", (1, 2), None),
    ("Brats18_2013_10_1_seg.nii.gz", "c", (4,), "brats2021"),
    ("W39_1998.09.19_Segm.nii", "BraTS20_Training_355", (1, 2, 4), "brats2021"),
    ("seg.nii.gz", "BraTS-GLI-00001-000", (1, 2, 3), "brats2023"),
    ("seg.nii.gz", "unknown", (1, 2, 3), None),
    ("UPENN-GBM-00001_11_segm.nii.gz", "c", (1, 2, 4), "brats2021"),
    ("UCSF-PDGM-0004_tumor_segmentation.nii.gz", "c", (1, 2, 4), "brats2021"),
    ("UCSF-PDGM-0004_brain_parenchyma_segmentation.nii.gz", "c", (1, 2, 3), None),
]


@pytest.mark.parametrize(("name", "case_id", "values", "expected"), CERTAIN)
def test_a_collection_known_by_name_has_its_own_numbering_and_doubt_is_refused(
    name, case_id, values, expected
):
    if expected is None:
        with pytest.raises(ValueError, match="must"):
            certain_numbering(Path("/data/case") / name, case_id, {0, *values}, DEFAULT_TASK)
    else:
        assert (
            certain_numbering(Path("/data/case") / name, case_id, {0, *values}, DEFAULT_TASK)
            == expected
        )


def test_the_folder_of_a_case_tells_the_collection_too():
    label = Path("/data/BraTS-PED-00001-000/seg.nii.gz")
    assert certain_numbering(label, "1", {0, 2, 4}, DEFAULT_TASK) == "brats-ped"


def test_paediatric_oedema_is_whole_tumour_and_the_record_says_which_numbering_was_found(tmp_path):
    folder = write_case(tmp_path / "BraTS-PED-00001-000", label=stripes(0, 1, 2, 3, 4))
    case = LoadCased(with_label=True)({"image": folder})
    stored, regions = stripes(0, 1, 2, 3, 4), case["label"].numpy()
    assert np.array_equal(regions[DEFAULT_TASK.region_names.index("WT")], stored > 0)
    assert np.array_equal(
        regions[DEFAULT_TASK.region_names.index("TC")], np.isin(stored, (1, 2, 3))
    )
    assert np.array_equal(regions[DEFAULT_TASK.region_names.index("ET")], stored == 1)
    (warning,) = CaseRecord.from_json(case["record"]).warnings
    assert "BraTS-PED" in warning


def test_what_is_kept_of_a_case_knows_the_collection_that_its_label_was_read_by(tmp_path):
    label = write_label(tmp_path, "BraTS-PED-00001-000-seg.nii", (1, 2, 4))
    other = write_label(tmp_path, "BraTS-GLI-00001-000-seg.nii", (1, 2, 4))
    assert case_key({"case_id": "x", "label": label}, "") != case_key(
        {"case_id": "x", "label": other}, ""
    )


@pytest.mark.parametrize("value", [5, 255])
@pytest.mark.parametrize("numbering", [None, *DEFAULT_TASK.numberings])
def test_a_value_of_no_numbering_is_refused_beside_good_ones(tmp_path, numbering, value):
    path = write_label(tmp_path, NEW, (1, 2, 3, value))
    with pytest.raises(CaseError, match=str(value)):
        read_label_map(path, case_id="x", declared=numbering)


def test_the_counts_are_of_the_values_in_the_file(tmp_path):
    label = read_label_map(write_label(tmp_path, OLD, (1, 4)), case_id="x")
    assert label.counts == {value: int((stripes(0, 1, 4) == value).sum()) for value in (0, 1, 4)}


def test_only_the_name_and_the_values_decide_not_the_order_or_kind_of_the_values(tmp_path):
    path = tmp_path / "BraTS-GLI-00001-000-seg.nii"
    assert (
        certain_numbering(path, "x", {4, 3}, DEFAULT_TASK)
        == certain_numbering(path, "x", [3, 4], DEFAULT_TASK)
        == "brats2024"
    )


def test_a_cavity_is_in_no_region_and_the_record_says_so(tmp_path):
    folder = write_case(tmp_path / "BraTS-GLI-00007-000", label=stripes(0, 1, 2, 3, 4))
    case = LoadCased(with_label=True)({"image": folder})
    cavity = stripes(0, 1, 2, 3, 4) == 4
    assert not case["label"].numpy()[:, cavity].any()
    assert (
        case["label"].numpy()[DEFAULT_TASK.region_names.index("WT")].sum()
        == np.isin(stripes(0, 1, 2, 3, 4), (1, 2, 3)).sum()
    )
    (warning,) = CaseRecord.from_json(case["record"]).warnings
    assert warning.startswith(f"label: {cavity.sum()} voxels of value 4, resection cavity")


def test_data_declared_to_have_cavities_are_read_without_a_warning_where_there_is_none(tmp_path):
    folder = write_case(tmp_path / "case7", label=stripes(0, 1, 2, 3))
    case = LoadCased(with_label=True, label_convention="brats2024")({"image": folder})
    assert CaseRecord.from_json(case["record"]).warnings == ()
