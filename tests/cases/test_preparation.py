import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, NormalizeIntensityd, Orientationd, allow_missing_keys_mode
from scipy.spatial.transform import Rotation

from bundle.cases.preparation import (
    CheckPreparedd,
    NormalizeInsided,
    ResampleTo1mmd,
    is_any_not_zero,
    is_not_zero,
)
from bundle.errors import CaseError

SHAPE = (11, 14, 9)


def affine(spacing, degrees=(0, 0, 0), flip=(1, 1, 1)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * flip * spacing
    matrix[:3, 3] = (-12.25, 30.5, 1 / 3)
    return matrix


GRIDS = {
    "anisotropic": affine((0.9, 1.1, 5.0)),
    "fine": affine((0.5, 0.6, 0.7)),
    "thick in x": affine((3.3, 1, 1)),
    "oblique": affine((1.2, 0.8, 2.5), (12, -7, 30)),
    "oblique, left-handed": affine((1.2, 0.8, 2.5), (12, -7, 30), (-1, 1, 1)),
}


def smooth_image(matrix, shape=SHAPE):
    """Two channels that are linear in the world's x and y, so that linear interpolation is exact
    inside.
    """
    world = nib.affines.apply_affine(matrix, np.stack(np.indices(shape), axis=-1))
    return MetaTensor(
        torch.from_numpy(np.moveaxis(world[..., :2], -1, 0).astype(np.float32)), affine=matrix
    )


@pytest.mark.parametrize("name", GRIDS)
def test_the_way_back_ends_on_the_grid_it_began_on(name):
    image, resample = (
        smooth_image(GRIDS[name]),
        ResampleTo1mmd(["image", "label"], mode=["bilinear", "nearest"]),
    )
    there = resample({"image": image, "label": image})
    back = resample.inverse(there)
    for key in ("image", "label"):
        assert back[key].shape == image.shape
        assert torch.allclose(back[key].affine, image.affine, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", GRIDS)
def test_voxels_become_1_mm_and_stay_where_they_are_in_the_world(name):
    resampled = ResampleTo1mmd("image")({"image": smooth_image(GRIDS[name])})["image"]
    assert np.allclose(nib.affines.voxel_sizes(resampled.affine.numpy()), 1)
    expected = smooth_image(resampled.affine.numpy(), resampled.shape[1:])
    inside = (
        slice(None),
        *(slice(int(size * 0.25), int(size * 0.75)) for size in resampled.shape[1:]),
    )
    assert torch.allclose(resampled.as_tensor()[inside], expected.as_tensor()[inside], atol=1e-3)


@pytest.mark.parametrize("name", GRIDS)
def test_values_come_back_where_they_were(name):
    image, resample = smooth_image(GRIDS[name]), ResampleTo1mmd("image")
    back = resample.inverse(resample({"image": image}))["image"]
    inside = (slice(None), *(slice(int(size * 0.25), int(size * 0.75)) for size in SHAPE))
    assert torch.allclose(back.as_tensor()[inside], image.as_tensor()[inside], atol=1e-3)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (12, -7, 30)], ids=["straight", "oblique"])
def test_a_case_of_1_mm_stays_as_it_is(degrees):
    image = smooth_image(affine((1, 1, 1), degrees))
    resampled = ResampleTo1mmd("image")({"image": image})["image"]
    assert resampled.shape == image.shape
    assert torch.allclose(resampled.as_tensor(), image.as_tensor(), atol=1e-4)
    assert torch.allclose(resampled.affine, image.affine, atol=1e-6)


def test_an_axial_case_of_1_mm_is_not_even_interpolated():
    image = smooth_image(affine((1, 1, 1)))
    assert torch.equal(
        ResampleTo1mmd("image")({"image": image})["image"].as_tensor(), image.as_tensor()
    )


def test_nearest_makes_no_new_label():
    label = MetaTensor(torch.randint(0, 2, (3, *SHAPE)).float() * 4, affine=GRIDS["anisotropic"])
    resampled = ResampleTo1mmd("label", mode="nearest")({"label": label})["label"]
    assert set(resampled.unique().tolist()) == {0.0, 4.0}


def test_the_input_is_left_alone_and_other_keys_pass():
    image = smooth_image(GRIDS["anisotropic"])
    case = {"image": image, "record": "{}"}
    resampled = ResampleTo1mmd("image")(case)
    assert case["image"].shape == image.shape == (2, *SHAPE)
    assert resampled["record"] == "{}"


def test_a_prediction_alone_can_go_back_through_a_chain():
    """As ``Invertd`` does: only one of the keys that went there comes back."""
    chain = Compose([Orientationd("image", "RAS", labels=None), ResampleTo1mmd("image")])
    image = smooth_image(GRIDS["oblique, left-handed"])
    there = chain({"image": image})["image"]
    prediction = MetaTensor(
        torch.ones(5, *there.shape[1:]),
        meta=there.meta,
        applied_operations=there.applied_operations,
    )
    with allow_missing_keys_mode(chain):
        back = chain.inverse({"image": prediction})["image"]
    assert back.shape == (5, *SHAPE)
    assert np.allclose(back.affine, GRIDS["oblique, left-handed"])


def test_one_mode_per_key_is_needed():
    with pytest.raises(ValueError, match="zip"):
        ResampleTo1mmd(["image", "label"], mode=["bilinear"])


def test_brain_is_whatever_is_not_zero_also_below_it():
    assert is_not_zero(torch.tensor([-0.5, 0.0, -0.0, 1e-30])).tolist() == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("layout", ["C", "F"])
def test_what_is_inside_is_normalised_to_the_same_bits_as_by_monai(layout):
    image = np.random.default_rng(0).normal(50, 20, (4, *SHAPE)).astype(np.float32)
    image[:, :3], image[1], image[3, 3:] = 0, 0, 7  # outside, absent, of one value
    tensor = torch.from_numpy(np.asarray(image, order=layout))
    case = {"image": MetaTensor(tensor, affine=GRIDS["anisotropic"])}
    expected = NormalizeIntensityd("image", nonzero=True, channel_wise=True)(
        {"image": MetaTensor(torch.from_numpy(image.copy()))}
    )["image"]
    got = NormalizeInsided("image")(case)["image"]
    assert torch.equal(got.as_tensor(), expected.as_tensor())
    assert np.allclose(got.affine, GRIDS["anisotropic"])
    assert got.is_contiguous()
    assert np.array_equal(tensor.numpy(), image)


def test_what_is_inside_of_any_channel_is_inside():
    image = torch.zeros(3, 2, 2, 1)
    image[0, 0, 0], image[2, 0, 1], image[2, 0, 0] = -1, 1e-30, 5
    assert is_any_not_zero(image).squeeze().tolist() == [[True, True], [False, False]]
    assert torch.equal(is_any_not_zero(image), is_not_zero(image).any(dim=0, keepdim=True))


def prepared(image, presence=(True, False, False, True)):
    return {"case_id": "c7", "image": image, "presence": torch.tensor(presence)}


def test_a_prepared_case_passes_and_what_an_absent_modality_holds_is_not_looked_at():
    image = torch.ones(4, 3, 4, 5)
    image[1] = 0
    assert CheckPreparedd("image")(prepared(image))["image"] is image


@pytest.mark.parametrize("spoil", ["nothing left", "zeros", "NaN"])
def test_a_case_of_which_nothing_usable_is_left_is_refused_by_modality(spoil):
    image = torch.ones(4, 3, 4, 5)
    if spoil == "nothing left":
        image = image[:, :0]
    else:
        image[3] = 0 if spoil == "zeros" else float("nan")
    with pytest.raises(CaseError, match=r"Case c7: (t1n|t2f) must hold finite voxels") as caught:
        CheckPreparedd("image")(prepared(image))
    assert caught.value.code == "E_PREPARED"
