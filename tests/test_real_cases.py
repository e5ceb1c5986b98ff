"""What phantoms cannot show: cases from scanners, which a fresh clone does not have."""

import nibabel as nib
import numpy as np
import pytest

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.datasets.case_files import case_files
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError
from bundle.segmenter import Segmenter
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.common_grid import on_one_grid
from bundle.volumes.image_volume import read_volume
from bundle.volumes.intensities import check_intensities

MODALITIES = DEFAULT_TASK.modality_names

pytestmark = pytest.mark.slow

CASE = "unlabelled/BraTS-GLI-00001-000"
MS_CASE = {"t1n": "study1_T1W.nii.gz", "t2w": "study1_T2W.nii.gz", "t2f": "study1_FLAIR.nii.gz"}
N_VOXELS = {
    "00006": (25506, 85957, 26448),
    "01476": (23189, 27760, 224),
    "01477": (77985, 117448, 0),
    "01478": (110787, 118819, 1276),
    "01479": (93298, 7407, 89546),
    "01482": (1441, 27169, 1463),
    "01484": (135025, 27678, 0),
    "01485": (135, 38411, 691),
}


@pytest.fixture(scope="module")
def segmenter(tiny_settings):
    return Segmenter(**{**tiny_settings, "overlap": 0.0})


@pytest.mark.parametrize("modalities", DEFAULT_TASK.modality_sets(), ids=" ".join)
def test_every_modality_set_of_a_brats_case_gives_whole_maps(shared_data, segmenter, modalities):
    folder = shared_data / CASE
    files = {modality: folder / f"{folder.name}-{modality}.nii.gz" for modality in modalities}
    real_case = segmenter(files, case_id=folder.name)
    weights = [real_case.maps[f"weight-{modality}"] for modality in modalities]
    assert set(real_case.maps) == {
        "seg",
        "entropy",
        *(f"weight-{modality}" for modality in modalities),
    }
    assert np.abs(sum(weights) - 1).max() < 1e-5
    assert all(np.isfinite(values).all() for values in real_case.maps.values())
    assert all(values.shape == (240, 240, 155) for values in real_case.maps.values())
    assert 0 <= real_case.maps["entropy"].min() <= real_case.maps["entropy"].max() <= 1
    assert real_case.result["missing"] == [
        modality for modality in MODALITIES if modality not in modalities
    ]


def test_raw_modalities_on_different_grids_are_refused_with_what_to_do(shared_data):
    folder = shared_data / "raw" / "ms_patient01_study1"
    with pytest.raises(CaseError, match="Register and resample") as caught:
        LoadCased()(
            {
                "image": {modality: folder / name for modality, name in MS_CASE.items()},
                "case_id": "ms",
            }
        )
    assert caught.value.code == "E_GRID"


@pytest.mark.parametrize("modality", MS_CASE)
def test_a_raw_modality_alone_is_read(shared_data, modality):
    file = shared_data / "raw" / "ms_patient01_study1" / MS_CASE[modality]
    case = LoadCased()({"image": {modality: file}})
    assert case["presence"].sum() == 1
    assert CaseRecord.from_json(case["record"]).grid.shape == case["image"].shape[1:]


@pytest.mark.parametrize("number", N_VOXELS)
def test_labels_of_brats_2021_are_read_voxel_by_voxel(shared_data, number):
    """The counts of necrotic core, oedema and enhancing tumour stand in the README of the data."""
    case = LoadCased(with_label=True)({"image": shared_data / "brats2021" / f"BraTS2021_{number}"})
    core, whole, enhancing = (int(region.sum()) for region in case["label"].as_tensor())
    assert (core - enhancing, whole - core, enhancing) == N_VOXELS[number]
    assert case["presence"].all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_real_case_is_read_without_a_warning(shared_data, modality):
    folder = shared_data / CASE
    volume = read_volume(
        folder / f"{folder.name}-{modality}.nii.gz", case_id="x", modality=modality
    )
    on_one_grid({modality: volume}, case_id="x")
    assert volume.warnings == ()


@pytest.mark.parametrize("folder", ["brats2021", "brats2013", "pseudo_labelled", "unlabelled"])
def test_scans_with_a_background_of_0_are_left_as_they_are(shared_data, folder):
    """No vessel is an outlier and no dark rim is background, in any of the cases at hand."""
    images = [
        image for case in list_cases(shared_data / folder) for image in case_files(case).values()
    ]
    assert images
    for image in images:
        stored = np.asarray(nib.load(image).dataobj).astype(np.float32)
        checked, warnings = check_intensities(stored.copy())
        assert np.array_equal(checked, stored), image
        assert warnings == (), image


@pytest.mark.parametrize("background", [-1024, -1, 0.002, 1, np.nan])
def test_a_real_scan_is_the_same_whatever_its_background(shared_data, background):
    folder = shared_data / CASE
    stored = np.asarray(nib.load(folder / f"{folder.name}-t2f.nii.gz").dataobj).astype(np.float32)
    inside = stored != 0
    checked, (warning,) = check_intensities(np.where(inside, stored, background).astype(np.float32))
    assert np.array_equal(checked != 0, inside)
    shift = checked[inside] - stored[inside]
    assert shift == pytest.approx(shift[0], abs=1e-3)
    assert "background" in warning
