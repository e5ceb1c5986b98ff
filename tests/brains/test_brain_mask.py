import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bundle.brains.brain_extraction import brain_mask_for
from bundle.brains.brain_mask import check_brain, load_brain_mask, mask_on_grid, volume_litres
from bundle.errors import CaseError
from bundle.volumes.geometry import grid_from_affine
from tests.brains.drawn_heads import scan_of

COARSE, FINE = (20, 24, 18), (30, 36, 40)


@pytest.fixture
def volumes():
    return {"a": scan_of(np.ones(COARSE), (8.0, 8.0, 9.0)), "b": scan_of(np.ones(FINE), 4.0)}


def box(shape, margin=4):
    mask = np.zeros(shape, bool)
    mask[(slice(margin, -margin),) * 3] = True
    return mask


def save(path, values, affine):
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def refusal(path, volumes):
    with pytest.raises(CaseError) as caught:
        load_brain_mask(path, volumes, case_id="case7")
    assert caught.value.code == "E_BRAIN_MASK"
    assert "case7, brain mask, " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("modality", ["a", "b"])
@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_is_known_by_its_grid(volumes, modality, value, tmp_path):
    grid = volumes[modality].grid
    given = box(grid.shape)
    path = save(tmp_path / "m.nii.gz", given.astype(np.uint8) * np.uint8(value), grid.affine)
    mask, named, warnings = load_brain_mask(path, volumes, case_id="case7")
    assert named == modality
    assert warnings == ()
    np.testing.assert_array_equal(mask, given)


def test_a_mask_stored_along_other_axes_is_turned(volumes, tmp_path):
    grid = volumes["a"].grid
    given = box(grid.shape)
    given[:8] = False
    image = nib.Nifti1Image(given.astype(np.uint8), grid.affine)
    nib.save(image.as_reoriented([[2, -1], [0, 1], [1, -1]]), tmp_path / "m.nii.gz")
    mask, named, _ = load_brain_mask(tmp_path / "m.nii.gz", volumes, case_id="case7")
    assert named == "a"
    np.testing.assert_array_equal(mask, given)


def test_a_mask_on_no_grid_is_refused_with_those_that_it_could_lie_on(volumes, tmp_path):
    affine = volumes["a"].grid.affine.copy()
    affine[0, 3] += 4
    path = save(tmp_path / "m.nii.gz", box(COARSE).astype(np.uint8), affine)
    assert "the grid of a or b; got 20 x 24 x 18" in refusal(path, volumes)


@pytest.mark.parametrize(("value", "share"), [(0, "0%"), (1, "100%")])
def test_a_mask_of_nothing_or_everything_is_refused(volumes, value, share, tmp_path):
    path = save(tmp_path / "m.nii.gz", np.full(COARSE, value, np.uint8), volumes["a"].grid.affine)
    assert f"got {share} inside" in refusal(path, volumes)


@pytest.mark.parametrize("kind", ["tissues", "image", "nan"])
def test_what_is_no_mask_is_refused(volumes, kind, tmp_path):
    values = box(COARSE).astype(np.float32)
    if kind == "nan":
        values[values > 0] = np.nan
    else:
        values[8:] *= 2 if kind == "tissues" else np.random.default_rng(0).random((12, 24, 18))
    path = save(tmp_path / "m.nii.gz", values.astype(np.float32), volumes["a"].grid.affine)
    assert "two values" in refusal(path, volumes)


def test_a_file_that_is_not_there_is_refused_as_any_image(volumes, tmp_path):
    with pytest.raises(CaseError, match=r"case7, brain mask, .*none.nii") as caught:
        load_brain_mask(tmp_path / "none.nii", volumes, case_id="case7")
    assert caught.value.code == "E_MISSING"


@pytest.mark.parametrize(("margin", "n_warnings"), [(2, 1), (4, 0), (7, 1)])
def test_a_volume_that_no_brain_has_is_warned_of(volumes, margin, n_warnings):
    grid = volumes["a"].grid
    mask = box(grid.shape, margin)
    litres = volume_litres(mask, grid)
    assert litres == pytest.approx(mask.sum() * 8 * 8 * 9 / 1e6)
    assert len(check_brain(mask, grid, "the mask")) == n_warnings


def test_a_mask_comes_back_from_a_finer_grid_as_it_was(volumes):
    grid = volumes["a"].grid
    fine = grid_from_affine((40, 48, 36), grid.affine @ halving())
    mask = box(grid.shape)
    moved = mask_on_grid(mask, grid, fine)
    np.testing.assert_array_equal(moved, mask.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(mask_on_grid(moved, fine, grid), mask)


def test_a_mask_moves_with_its_scan(volumes):
    grid = volumes["b"].grid
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    move[:3, 3] = (10, -20, 5)
    elsewhere = grid_from_affine(grid.shape, np.diag([-1, -1, 1, 1]) @ move @ grid.affine)
    mask = box(grid.shape, 6)
    mask[9:12] = False
    turn = np.diag([-1.0, -1, 1, 1]) @ move
    np.testing.assert_array_equal(mask_on_grid(mask, grid, elsewhere, moved_by=turn), mask)
    beyond = np.eye(4)
    beyond[0, 3] = 1000
    assert not mask_on_grid(mask, grid, grid, moved_by=beyond).any()


def test_an_exam_is_stripped_once_on_its_reference(volumes):
    asked = []

    def extractor(volume):
        asked.append(volume)
        return box(volume.data.shape)

    mask, warnings = brain_mask_for(volumes, extractor, "b")
    assert asked == [volumes["b"]]
    assert mask.shape == FINE
    assert warnings == ()


def test_an_exam_without_a_brain_is_refused(volumes):
    with pytest.raises(CaseError, match="brain found in b must have") as caught:
        brain_mask_for(volumes, lambda volume: np.zeros(volume.data.shape, bool), "b")
    assert caught.value.code == "E_BRAIN_MASK"


def halving():
    """From voxels of a grid half as fine in each axis, corners kept."""
    matrix = np.diag([0.5, 0.5, 0.5, 1.0])
    matrix[:3, 3] = -0.25
    return matrix
