import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from bundle.evaluation.case_slices import CaseSlice, worst_slice
from bundle.tasks.default import DEFAULT_TASK
from tests.evaluation.sample_scores import LUNG, MODALITIES, REGIONS

SHAPE = (9, 10, 11)  # to the right, front, top
SPACING_MM = (2.0, 1.5, 4.0)
BRAIN = (slice(3, 6), slice(4, 6), slice(2, 10))
MARGIN = 3
ORIENTATIONS = ("RAS", "LPS", "LAS", "PIR", "SLA", "IPR")


def image(modalities=MODALITIES, grey=100.0):
    """A box of brain, the same in every modality, brighter by 1 from slice to slice; (M, X,
    Y, Z).
    """
    volumes = np.zeros((len(MODALITIES), *SHAPE), np.float32)
    for modality in modalities:
        volumes[MODALITIES.index(modality)][BRAIN] = grey + np.arange(SHAPE[2])[BRAIN[2]]
    return volumes


def regions(*voxels):
    """All three regions at the same places, each (x, y, z) of indices or slices; (R, X, Y, Z)."""
    marked = np.zeros((len(REGIONS), *SHAPE), bool)
    for voxel in voxels:
        marked[(slice(None), *voxel)] = True
    return marked


def marks():
    """Voxels with a number of their own per slice, so that a cut tells which slice it is: slice z
    has z of them.
    """
    return regions(*((slice(z), 0, z) for z in range(SHAPE[0])))


def cut(
    shown, truth, predicted, *, codes="RAS", spacing_mm=SPACING_MM, task=DEFAULT_TASK
) -> CaseSlice:
    """Store everything along the axes ``codes``, and cut the worst slice of that."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    stored = (
        np.stack([apply_orientation(volume, turn) for volume in part])
        for part in (shown, predicted, truth)
    )
    affine = np.diag([*spacing_mm, 1.0]) @ inv_ornt_aff(turn, SHAPE)
    return worst_slice("a", *stored, score=0.25, affine=affine, task=task)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_slice_with_most_wrong_voxels_is_found_however_the_file_is_stored(codes):
    """Too much in slice 3, missed in slice 7 and more of it, found where there is most truth of
    all, in slice 5.
    """
    found = (slice(0, 9), slice(0, 10), 5)
    truth = regions(found, (slice(0, 4), 2, 7))
    predicted = regions(found, (slice(0, 3), 2, 3))
    shown = cut(image(), truth, predicted, codes=codes)
    assert shown.truth.sum(axis=(1, 2)).tolist() == [4] * len(REGIONS)
    assert not shown.predicted.any()


def test_a_voxel_counts_once_for_every_region_in_which_it_is_wrong():
    truth, nothing = regions((slice(0, 2), 4, 3)), regions()
    truth[REGIONS.index("WT"), 0:5, 4, 8] = True
    assert cut(image(), truth, nothing).truth.sum() == 2 * len(REGIONS)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_without_a_wrong_voxel_the_slice_with_most_truth_is_shown(codes):
    shown = cut(image(), marks(), marks(), codes=codes)
    assert shown.truth.sum(axis=(1, 2)).tolist() == [8] * len(REGIONS)
    np.testing.assert_array_equal(shown.predicted, shown.truth)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_without_truth_and_prediction_the_middle_slice_is_shown(codes):
    bright = image()
    bright[:, :, :, 5] = np.where(bright[:, :, :, 5], 1000, 0)
    shown = cut(bright, regions(), regions(), codes=codes)
    assert np.unique(shown.image).tolist() == [0, 1]
    assert not shown.truth.any()


@pytest.mark.parametrize("present", DEFAULT_TASK.modality_sets(), ids="+".join)
def test_of_the_modalities_that_a_case_has_the_first_in_order_is_shown(present):
    """Each has its brightest voxel furthest left, the first at the back and the others one by one
    before it.
    """
    shown_first = DEFAULT_TASK.shown_first
    assert shown_first == ("t2f", "t1c", "t2w", "t1n")
    volumes = image(present)
    for place, modality in enumerate(shown_first):
        volumes[MODALITIES.index(modality), 0, place, :] = 1000 if modality in present else 0
    shown = cut(volumes, marks(), regions())
    rows, columns = shown.image.shape
    first = min(shown_first.index(modality) for modality in present)
    assert np.argwhere(shown.image == 1).tolist() == [[rows - 1 - first, columns - 1]]


def test_a_case_without_any_image_shows_its_regions_on_black():
    shown = cut(image(()), regions((4, 4, 6)), regions())
    assert not shown.image.any()
    assert shown.truth.sum() == len(REGIONS)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_patients_right_is_on_the_left_and_the_front_on_top(codes):
    """The truth is furthest right, the prediction furthest in front; both stay inside a brain that
    fills the grid.
    """
    volumes = np.full((len(MODALITIES), *SHAPE), 10, np.float32)
    volumes[:, 8, 9, 6] = 20
    shown = cut(volumes, regions((8, 2, 6)), regions((1, 9, 6)), codes=codes)
    assert np.argwhere(shown.image == 1).tolist() == [[0, 0]]
    for number in range(len(REGIONS)):
        assert np.argwhere(shown.truth[number]).tolist() == [[7, 0]]
        assert np.argwhere(shown.predicted[number]).tolist() == [[0, 7]]


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_size_is_that_of_the_brain_and_its_margin_in_mm_along_the_patients_axes(codes):
    shown = cut(image(), regions((4, 4, 6)), regions(), codes=codes)
    assert shown.image.shape == (2 + 2 * MARGIN, 3 + 2 * MARGIN)
    assert shown.size_mm == pytest.approx(((3 + 2 * MARGIN) * 2.0, (2 + 2 * MARGIN) * 1.5))


@pytest.mark.parametrize("place", [(8, 0), (0, 9), (0, 0), (8, 9)], ids=str)
def test_regions_at_the_border_of_the_grid_and_outside_the_brain_are_not_cut_off(place):
    truth, predicted = regions((*place, 6), (4, 4, 6)), regions((4, 4, 6))
    shown = cut(image(), truth, predicted)
    assert shown.truth.sum() == 2 * len(REGIONS)
    assert shown.predicted.sum() == len(REGIONS)
    assert shown.image.shape == shown.truth.shape[1:] == shown.predicted.shape[1:]


def test_a_region_that_only_the_prediction_has_is_not_cut_off_either():
    assert cut(image(), regions(), regions((0, 0, 6))).predicted.sum() == len(REGIONS)


def test_a_slice_outside_the_brain_is_shown_as_wide_as_its_regions():
    shown = cut(image(), regions((4, slice(3, 5), 0)), regions())
    assert shown.image.shape == (2 + 2 * MARGIN, 1 + 2 * MARGIN)
    assert not shown.image.any()


@pytest.mark.parametrize("grey", [-5.5, 0.25, 100, 30000])
def test_greys_are_in_0_to_1_and_what_is_outside_the_brain_is_black_whatever_the_intensities(grey):
    """Also normalised ones, of which half are below 0: the background is 0 in them too."""
    shown = cut(image(grey=grey), regions((4, 4, 9)), regions())
    assert shown.image.dtype == np.float32
    assert (shown.image.min(), shown.image.max()) == (0, 1)
    assert np.count_nonzero(shown.image) == 3 * 2


def test_the_window_is_that_of_the_whole_brain_and_not_of_the_slice():
    greys = [cut(image(), regions((4, 4, z)), regions()).image.max() for z in (2, 5, 9)]
    assert greys[0] == 0
    assert 0.3 < greys[1] < 0.6
    assert greys[2] == 1


def test_a_slice_keeps_its_own_voxels_and_not_the_volume_they_were_cut_from():
    truth = regions((4, 4, 6))
    shown = cut(image(), truth, truth)
    assert all(part.base is None for part in (shown.image, shown.truth, shown.predicted))


def test_the_modality_that_is_shown_is_the_first_that_the_task_names():
    """Of CT, PET and ADC the brightest voxels lie one by one further to the patient's right."""
    volumes, nodule = np.zeros((3, *SHAPE), np.float32), np.zeros((1, *SHAPE), bool)
    for place in range(3):
        volumes[place][BRAIN] = 100
        volumes[place, 3 + place, 4, 6] = 1000
    nodule[0, 4, 4, 6] = True
    for absent, column in ((None, 0), (2, 2), ([0, 2], 1)):
        shown = volumes.copy()
        if absent is not None:
            shown[absent] = 0
        image = cut(shown, nodule, 0 * nodule, task=LUNG).image
        assert np.argwhere(image == 1).tolist() == [[MARGIN + 1, MARGIN + column]]
