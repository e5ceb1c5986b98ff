"""The whole path keeps results where the images are, whatever way those are stored."""

from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from nibabel.orientations import axcodes2ornt, inv_ornt_aff
from scipy.spatial.transform import Rotation

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.configuration import load_config
from bundle.weights.checkpoints import export_weights

MODALITY = "t1c"
LESION_MM, SOFT_MM = 4.0, 1.0
BRAIN, LESION = 100, 1000


class Geometry(NamedTuple):
    """How a case is stored: axes as nibabel names them, and what differs from an axial scan of 1
    mm.
    """

    axes: str
    shape: tuple[int, int, int] = (41, 37, 33)
    spacing_mm: tuple[float, float, float] = (1, 1, 1)
    degrees: tuple[float, float, float] = (0, 0, 0)
    codes: tuple[int, int] = (1, 1)
    unit: str = "mm"

    @property
    def lesion_voxel(self) -> tuple[int, ...]:
        """Off the centre in every axis, by another share of its length."""
        return tuple(
            round(share * size) for share, size in zip((0.63, 0.4, 0.55), self.shape, strict=True)
        )

    @property
    def affine_mm(self) -> np.ndarray:
        axes = inv_ornt_aff(axcodes2ornt(self.axes), self.shape)
        axes[:3, :3] = (
            Rotation.from_euler("xyz", self.degrees, degrees=True).as_matrix() @ axes[:3, :3]
        )
        axes[:3, :3] *= self.spacing_mm
        axes[:3, 3] = (-31.25, 17.5, 8.75)
        return axes


GEOMETRIES = {
    "axial": Geometry("LAS"),
    "ras": Geometry("RAS"),
    "lps": Geometry("LPS"),
    "sagittal": Geometry("PIR"),
    "sagittal-left-handed": Geometry("ASR"),
    "coronal": Geometry("LIA"),
    "oblique": Geometry("LPS", degrees=(12, -8, 25)),
    "oblique-sagittal-thick": Geometry("ASL", (52, 48, 15), (0.9, 0.9, 3.0), (7, 4, -11)),
    "thick-slices": Geometry("LAS", (43, 37, 11), (1, 1, 4.0)),
    "fine": Geometry("RAS", (53, 61, 47), (0.7, 0.8, 0.9)),
    "tiny": Geometry("LPS", (23, 21, 19)),
    "micron": Geometry("LAS", spacing_mm=(1, 1.25, 1.5), unit="micron"),
    "metre": Geometry("RAS", unit="meter"),
    "sform-only": Geometry("LAS", spacing_mm=(1, 1, 2), degrees=(3, 2, 1), codes=(2, 0)),
    "qform-only": Geometry("PIR", spacing_mm=(1, 1, 2), degrees=(3, 2, 1), codes=(0, 1)),
    "other-codes": Geometry("LPS", codes=(4, 2)),
}
PER_MM = {"mm": 1, "micron": 1e3, "meter": 1e-3}


def draw(geometry: Geometry) -> np.ndarray:
    """A textured brain inside a margin of one voxel, and in it a bright ball, soft at the rim."""
    offsets = np.indices(geometry.shape).astype(float) - np.reshape(
        geometry.lesion_voxel, (3, 1, 1, 1)
    )
    distance = np.linalg.norm(offsets * np.reshape(geometry.spacing_mm, (3, 1, 1, 1)), axis=0)
    image = BRAIN + np.random.default_rng(0).integers(-9, 10, geometry.shape)
    image = image + (LESION - BRAIN) / (1 + np.exp((distance - LESION_MM) / SOFT_MM))
    return np.pad(image[1:-1, 1:-1, 1:-1], 1).astype(np.int16)


def write(path, geometry: Geometry) -> None:
    affine = geometry.affine_mm
    affine[:3] *= PER_MM[geometry.unit]
    image = nib.Nifti1Image(draw(geometry), affine)
    image.set_sform(affine, geometry.codes[0])
    image.set_qform(affine, geometry.codes[1])
    image.header.set_xyzt_units(geometry.unit, "sec")
    nib.save(image, path)


def threshold_weights(settings, folder):
    """Weights with which the network finds whatever is brighter than 1.5 standard deviations above
    the mean.
    """
    network = load_config("inference.yaml", settings).get_parsed_content("network_def")
    for expert in network.experts.values():
        torch.nn.init.zeros_(expert.weight)
        expert.weight.data[:, 0, 1, 1, 1] = 1
        torch.nn.init.constant_(expert.bias, -1.5)
    torch.save(network.state_dict(), folder / "raw.pt")
    export_weights(network, folder / "raw.pt", folder / "threshold.pt")
    return folder / "threshold.pt"


@pytest.fixture(scope="module")
def folders(tiny_settings, tmp_path_factory):
    """All geometries as cases of one batch: folder of the images, folder of the results."""
    root = tmp_path_factory.mktemp("geometry")
    settings = {name: value for name, value in tiny_settings.items() if name != "checkpoint"}
    settings["checkpoint"] = threshold_weights(settings, root)
    cases = []
    for name, geometry in GEOMETRIES.items():
        write(root / f"{name}.nii.gz", geometry)
        cases.append({"case_id": name, "image": {MODALITY: root / f"{name}.nii.gz"}})
    outcomes = segment_cases(cases, root / "out", settings=settings)
    assert {outcome.case_id: outcome.reason for outcome in outcomes} == dict.fromkeys(
        GEOMETRIES, ""
    )
    return root, root / "out"


def outputs(folders, name):
    files = sorted((folders[1] / name).glob("*.nii.gz"))
    assert len(files) == 3
    return folders[0] / f"{name}.nii.gz", files


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_output_has_shape_affine_forms_and_units_of_the_input_for_nibabel(folders, name):
    source, files = outputs(folders, name)
    expected = nib.load(source)
    for file in files:
        found = nib.load(file)
        assert found.shape == expected.shape
        assert np.array_equal(found.affine, expected.affine)
        for form in ("sform", "qform"):
            (matrix, code), (wanted, wanted_code) = (
                getattr(i, f"get_{form}")(coded=True) for i in (found, expected)
            )
            assert code == wanted_code
            assert np.array_equal(matrix, wanted) if code else matrix is wanted is None
        assert found.header.get_xyzt_units() == expected.header.get_xyzt_units()
        assert found.header.get_zooms() == expected.header.get_zooms()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_output_lies_on_the_input_for_simpleitk(folders, name):
    source, files = outputs(folders, name)
    expected = sitk.ReadImage(str(source))
    for file in files:
        found = sitk.ReadImage(str(file))
        assert found.GetSize() == expected.GetSize()
        assert found.GetOrigin() == expected.GetOrigin()
        assert found.GetSpacing() == expected.GetSpacing()
        assert found.GetDirection() == expected.GetDirection()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_lesion_is_found_where_it_is_to_a_tenth_of_a_voxel(folders, name):
    segmentation = nib.load(folders[1] / name / f"{name}_seg.nii.gz")
    found = np.argwhere(np.asarray(segmentation.dataobj) == 3)
    centroid = nib.affines.apply_affine(segmentation.affine, found.mean(axis=0))
    truth = nib.affines.apply_affine(
        nib.load(folders[0] / f"{name}.nii.gz").affine, GEOMETRIES[name].lesion_voxel
    )
    shift_voxels = np.linalg.inv(segmentation.affine[:3, :3]) @ (centroid - truth)
    assert np.abs(shift_voxels).max() < 0.1


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_lesion_has_the_size_that_a_threshold_gives_on_the_images_own_voxels(folders, name):
    image = draw(GEOMETRIES[name])
    brain = image[image != 0]
    expected = np.count_nonzero(image > brain.mean() + 1.5 * brain.std())
    segmentation = np.asarray(nib.load(folders[1] / name / f"{name}_seg.nii.gz").dataobj)
    assert np.count_nonzero(segmentation) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_one_modality_has_all_the_weight_in_every_voxel(folders, name):
    weight = np.asarray(nib.load(folders[1] / name / f"{name}_weight-{MODALITY}.nii.gz").dataobj)
    assert np.allclose(weight, 1, atol=1e-5)
