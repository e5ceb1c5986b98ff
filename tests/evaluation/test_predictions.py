import re

import numpy as np
import pytest

from bundle.errors import CaseError, UsageError
from bundle.evaluation.one_hot import read_one_hot
from bundle.evaluation.predictions import check_predictions, find_prediction, read_prediction
from bundle.volumes.geometry import Grid
from bundle.volumes.image_volume import read_volume
from tests.datasets.sample_datasets import stripes
from tests.evaluation.sample_scores import LUNG
from tests.volumes.nifti_samples import AFFINE, SHAPE, save

TURNED = AFFINE.copy()
TURNED[:2, :2] = [[0, 1], [-1, 0]]
MOVED = AFFINE.copy()
MOVED[0, 3] += 2


@pytest.fixture
def grid(tmp_path) -> Grid:
    """The grid of a truth."""
    return read_volume(save(tmp_path / "truth.nii.gz"), case_id="c", modality="t1n").grid


@pytest.mark.parametrize(
    "name",
    [
        "c.nii.gz",
        "c.nii",
        "c_seg.nii.gz",
        "c-seg.nii.gz",
        "c/c_seg.nii.gz",
        "c/c.nii",
        "c/c-seg.nii",
        "c.NII.GZ",
        "c_SEG.Nii.Gz",
        "c/c.NII",
        "c.nrrd",
        "c.mha",
        "c_seg.mgz",
    ],
)
def test_a_segmentation_is_found_by_the_name_of_its_case(tmp_path, name):
    (tmp_path / "c").mkdir()
    (tmp_path / name).touch()
    (tmp_path / "cc_seg.nii.gz").touch()
    assert find_prediction(tmp_path, "c") == tmp_path / name


def test_files_that_are_no_segmentation_of_a_case_are_not_taken_for_one(tmp_path):
    for name in (
        "cc.nii.gz",
        "c-t1c.nii.gz",
        "c_seg_old.nii.gz",
        ".c.nii.gz",
        "c.nii.gz.part",
        "c.seg.nrrd",
    ):
        (tmp_path / name).touch()
    with pytest.raises(CaseError, match="got none of"):
        find_prediction(tmp_path, "c")


def test_capitals_do_not_matter_unless_there_is_a_choice(tmp_path):
    (tmp_path / "CASE-1.NII.GZ").touch()
    assert find_prediction(tmp_path, "Case-1") == tmp_path / "CASE-1.NII.GZ"
    (tmp_path / "Case-1.nii.gz").touch()
    assert find_prediction(tmp_path, "Case-1") == tmp_path / "Case-1.nii.gz"
    with pytest.raises(CaseError, match="must be one file"):
        find_prediction(tmp_path, "case-1")


def test_a_case_without_a_segmentation_is_told_what_was_looked_for(tmp_path):
    with pytest.raises(
        CaseError, match=re.escape("c_seg.nii.gz, c-seg.nii.gz, c.nii.gz")
    ) as caught:
        find_prediction(tmp_path, "c")
    assert caught.value.code == "E_MISSING"


def test_of_two_segmentations_of_a_case_none_is_chosen(tmp_path):
    (tmp_path / "c.nii.gz").touch()
    (tmp_path / "c_seg.nii.gz").touch()
    with pytest.raises(CaseError, match=re.escape("c.nii.gz and c_seg.nii.gz")) as caught:
        find_prediction(tmp_path, "c")
    assert caught.value.code == "E_AMBIGUOUS"


def test_predictions_are_a_folder(tmp_path):
    assert check_predictions(tmp_path) == tmp_path
    with pytest.raises(UsageError, match="nowhere"):
        check_predictions(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("numbering", "stored", "read"),
    [("brats2023", (0, 1, 2, 3), (0, 1, 2, 3)), ("brats2021", (0, 1, 2, 4), (0, 1, 2, 3))],
)
def test_values_are_read_in_the_declared_numbering(tmp_path, grid, numbering, stored, read):
    path = save(tmp_path / "c.nii.gz", data=stripes(*stored))
    values = read_prediction(path, case_id="c", grid=grid, numbering=numbering)
    assert np.array_equal(values, stripes(*read))


def test_a_value_that_the_numbering_does_not_have_is_refused(tmp_path, grid):
    path = save(tmp_path / "c.nii.gz", data=stripes(0, 1, 2, 4))
    with pytest.raises(CaseError, match="4") as caught:
        read_prediction(path, case_id="c", grid=grid, numbering="brats2023")
    assert caught.value.code == "E_LABELS"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"data": np.zeros((9, 8, 6), np.uint8)}, r"got shape \(9, 8, 6\) instead of \(9, 8, 7\)"),
        ({"affine": MOVED}, r"corners lie up to 2\.00 voxels off"),
        ({"affine": TURNED}, r"corners lie up to .* voxels off"),
    ],
)
def test_a_segmentation_on_another_grid_is_refused_with_the_difference(
    tmp_path, grid, changes, difference
):
    path = save(tmp_path / "c.nii.gz", **{"data": np.zeros(SHAPE, np.uint8), **changes})
    with pytest.raises(CaseError, match=difference) as caught:
        read_prediction(path, case_id="c", grid=grid, numbering="brats2023")
    assert caught.value.code == "E_GRID"


def test_a_segmentation_that_does_not_say_where_it_lies_is_refused(tmp_path, grid):
    path = save(tmp_path / "c.nii.gz", data=np.zeros(SHAPE, np.uint8), codes=(0, 0))
    with pytest.raises(CaseError, match="only the one or the other says where it lies"):
        read_prediction(path, case_id="c", grid=grid, numbering="brats2023")


def one_hot(values, n_classes):
    return np.stack([values == value for value in range(n_classes)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("numbering", "stored", "classes"), [("brats2023", 3, 4), ("brats2021", 4, 5)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_one_map_of_zeros_and_ones_per_class_is_read_as_the_label_map_it_stands_for(
    tmp_path, grid, numbering, stored, classes, dtype
):
    labels = stripes(0, 0, 1, 2, stored)
    path = save(tmp_path / "c.nii.gz", data=one_hot(labels, classes).astype(dtype))
    values = read_prediction(path, case_id="c", grid=grid, numbering=numbering)
    assert np.array_equal(values, stripes(0, 0, 1, 2, 3))


def regions_of(labels):
    return np.stack([np.isin(labels, (1, 3)), labels > 0, labels == 3], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    "maps",
    [
        regions_of(stripes(0, 0, 1, 2, 3)),
        one_hot(stripes(0, 0, 1, 2, 3), 4)[..., 1:],
        one_hot(stripes(0, 0, 1, 2, 3), 4)[..., ::-1],
        one_hot(stripes(0, 0, 1, 2, 3), 4) * np.float32(0.9) + np.float32(0.025),
        np.moveaxis(one_hot(stripes(0, 0, 1, 2, 3), 4), -1, 0),
    ],
    ids=["regions", "no background", "background last", "probabilities", "channels first"],
)
def test_maps_that_may_be_something_else_than_classes_are_refused_with_what_to_do(
    tmp_path, grid, maps
):
    path = save(tmp_path / "c.nii.gz", data=maps)
    with pytest.raises(
        CaseError, match=r"numpy\.argmax.*numpy\.select\(\[et, tc, wt\], \[3, 1, 2\], 0\)"
    ) as caught:
        read_prediction(path, case_id="c", grid=grid, numbering="brats2023")
    assert caught.value.code == "E_4D"


def test_a_class_that_the_numbering_does_not_have_is_refused(tmp_path, grid):
    path = save(tmp_path / "c.nii.gz", data=one_hot(stripes(0, 0, 1, 2, 3), 4))
    with pytest.raises(CaseError, match=r"got also \[3\].*--prediction-labels") as caught:
        read_prediction(path, case_id="c", grid=grid, numbering="brats2021")
    assert caught.value.code == "E_LABELS"


def test_classes_are_those_of_the_task(tmp_path):
    """The line of NumPy names its regions; a task of one label has two classes."""
    path = save(tmp_path / "two.nii.gz", data=one_hot(stripes(0, 0, 1), 2))
    values, _ = read_one_hot(path, case_id="c", numbering="lung", task=LUNG)
    assert np.array_equal(values, stripes(0, 0, 1))
    path = save(tmp_path / "four.nii.gz", data=one_hot(stripes(0, 0, 1, 2, 3), 4))
    with pytest.raises(CaseError, match=r"numpy\.select\(\[n\], \[1\], 0\)"):
        read_one_hot(path, case_id="c", numbering="lung", task=LUNG)
