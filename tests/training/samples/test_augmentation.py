"""What the random transforms of ``train.yaml`` do to images and labels."""

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    SpatialPadd,
)

from bundle.configuration import load_config
from bundle.tensors import plain_tensor
from bundle.training.samples.training_set import CachedCases

SHAPE, WINDOW = (30, 33, 36), (12, 14, 16)
TUMOUR = (slice(20, 23), slice(3, 6), slice(14, 17))
SPATIAL = (SpatialPadd, RandCropByPosNegLabeld, RandFlipd)
N_DRAWS = 300


@pytest.fixture(scope="module")
def augmentations():
    """The random transforms of the config, by class; those with a probability are applied every
    time.
    """
    parts = load_config("train.yaml", {"roi_size": list(WINDOW)}).get_parsed_content(
        "crop_transforms"
    )
    return {
        kind: [part for part in parts if type(part) is kind]
        for kind in {type(part) for part in parts}
    }


def case(shape=SHAPE):
    """A case whose t1n channel numbers the voxels, so that it can be seen where each one went; t2w
    is absent.
    """
    numbers = torch.arange(1.0, torch.Size(shape).numel() + 1).reshape(shape)
    image = torch.stack([numbers, torch.randn(shape), torch.zeros(shape), torch.randn(shape)])
    label = torch.zeros(3, *shape)
    label[(slice(None), *TUMOUR)] = 1
    return {"case_id": "a", "image": MetaTensor(image), "label": MetaTensor(label)}


def draw_windows(augmentations, shape, n_draws):
    parts = [part for kind in SPATIAL for part in augmentations[kind]]
    dataset = CachedCases([case(shape)], Compose(parts), seed=1)
    for epoch in range(n_draws):
        dataset.set_epoch(epoch)
        yield dataset[0][0]


@pytest.fixture(scope="module")
def windows(augmentations):
    """Many samples of one case, of which only place and direction are random."""
    return list(draw_windows(augmentations, SHAPE, N_DRAWS))


def drawn(transform, image, n_draws=40):
    """Apply an intensity transform to an image a number of times, each time for sure."""
    before, transform.prob = transform.prob, 1.0
    try:
        transform.set_random_state(seed=0)
        return [plain_tensor(transform({"image": image})["image"]) for _ in range(n_draws)]
    finally:
        transform.prob = before


def test_at_least_two_windows_of_three_show_tumour(windows):
    shown = sum(bool(window["label"].any()) for window in windows)
    tolerance = 4 * (2 / 9 / N_DRAWS) ** 0.5  # standard deviations of the share
    assert shown / N_DRAWS > 2 / 3 - tolerance
    assert shown < N_DRAWS


@pytest.mark.parametrize("shape", [SHAPE, (30, 10, 36)], ids=["larger", "smaller on one side"])
def test_each_voxel_keeps_its_label_and_windows_have_their_size(augmentations, shape):
    label = plain_tensor(case(shape)["label"])[1].flatten()
    for window in draw_windows(augmentations, shape, 40):
        numbers = plain_tensor(window["image"])[0].long()
        assert tuple(numbers.shape) == WINDOW
        inside = numbers > 0  # the rest is padding
        assert torch.equal(plain_tensor(window["label"])[1][inside], label[numbers[inside] - 1])
        assert not plain_tensor(window["label"])[:, ~inside].any()


def test_each_axis_is_flipped_half_of_the_time_independently_of_the_others(windows):
    steps = torch.tensor([SHAPE[1] * SHAPE[2], SHAPE[2], 1])
    flips = []
    for window in windows:
        numbers = plain_tensor(window["image"])[0]
        ahead = (
            torch.stack([numbers[1, 0, 0], numbers[0, 1, 0], numbers[0, 0, 1]]) - numbers[0, 0, 0]
        )
        assert torch.equal(ahead.abs().long(), steps)
        flips.append(tuple((ahead < 0).tolist()))
    assert len(set(flips)) == 8
    for axis in range(3):
        assert abs(sum(flip[axis] for flip in flips) / N_DRAWS - 0.5) < 0.12


def test_intensities_are_scaled_by_0_7_to_1_4_each_modality_on_its_own(augmentations):
    (transform,) = augmentations[RandScaleIntensityd]
    image = MetaTensor(torch.ones(4, 2, 3, 4))
    factors = torch.stack([scaled[:, 0, 0, 0] for scaled in drawn(transform, image, 100)])
    assert 0.7 <= factors.min() < 0.75
    assert 1.35 < factors.max() <= 1.4
    assert (factors.std(dim=1) > 0).all()


@pytest.mark.parametrize("kind", [RandScaleIntensityd, RandGaussianSmoothd])
def test_an_absent_modality_stays_exactly_0_when_scaled_and_smoothed(augmentations, kind):
    image = case()["image"]
    for (transform,) in [augmentations[kind]]:
        assert not any(result[2].any() for result in drawn(transform, image, 3))


@pytest.mark.parametrize("kind", [RandGaussianNoised, RandAdjustContrastd])
def test_an_absent_modality_does_not_stay_0_under_noise_and_contrast(augmentations, kind):
    """Why presence travels as flags, and is never read off a training sample."""
    (transform,) = augmentations[kind]
    assert all(result[2].any() for result in drawn(transform, case()["image"], 3))
