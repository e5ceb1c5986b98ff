import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Lambda, RandBiasField, RandGaussianNoise

from bundle.training.samples.contrast_mixing import RandContrastMixd
from bundle.training.samples.inside import VaryInsided
from bundle.training.samples.seeds import seed_transforms

SHAPE = (12, 14, 10)


def sample(presence=(True, True, False, True)):
    """Draw z-scores in a box, outside 0, in the channels of acquired modalities."""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(4, *SHAPE)
    for channel in torch.tensor(presence).nonzero().flatten().tolist():
        values = torch.randn(8, 10, 6, generator=generator)
        image[channel, 2:10, 2:12, 2:8] = (values - values.mean()) / values.std(unbiased=False)
    return {"image": MetaTensor(image, affine=torch.eye(4)), "presence": torch.tensor(presence)}


def drawn(transform, seed, given):
    seed_transforms([transform], np.random.SeedSequence(seed))
    return transform(given)["image"].as_tensor()


def is_normal(image, like):
    """Whether acquired channels have mean 0 and deviation 1 inside, and all is 0 outside."""
    inside = like != 0
    for channel, where in zip(image, inside, strict=True):
        assert (channel[~where] == 0).all()
        if where.any():
            assert abs(float(channel[where].mean())) < 1e-5
            assert float(channel[where].std(unbiased=False)) == pytest.approx(1, abs=1e-4)
    return True


def test_transforms_see_tissue_between_0_and_1_and_leave_outside_alone():
    seen = []
    given = sample()
    look = VaryInsided("image", [Lambda(lambda image: seen.append(image.clone()) or image + 5)])
    varied = look(given)["image"]
    assert len(seen) == 3  # the absent one has nothing inside
    for image in seen:
        assert image.shape == (1, *SHAPE)
        assert image.min() == 0
        assert 1 <= float(image.max()) < 1.5
    assert is_normal(varied.as_tensor(), given["image"].as_tensor())
    assert torch.equal(varied.affine, given["image"].affine)


def test_each_channel_is_varied_on_its_own_and_by_the_seed_alone():
    given = sample((True,) * 4)
    given["image"][:] = given["image"][:1].clone()
    before = given["image"].as_tensor().clone()
    vary = VaryInsided("image", [RandBiasField(prob=1), RandGaussianNoise(prob=1, std=0.1)])
    one, same, other = (drawn(vary, seed, given) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len({float(channel.sum((0, 1, 2))) + float(channel[5, 5, 5]) for channel in one}) == 4
    assert is_normal(one, before)
    assert torch.equal(given["image"].as_tensor(), before)


def test_mixed_contrasts_are_sums_of_the_acquired_channels():
    given = sample()
    image = given["image"].as_tensor()
    mixed = drawn(RandContrastMixd("image", prob=1), 3, given)
    assert is_normal(mixed, image)
    inside = image[0] != 0
    basis = image[[0, 1, 3]][:, inside].T.double().numpy()
    for channel in (0, 1, 3):
        target = mixed[channel][inside].double().numpy()
        weights, *_ = np.linalg.lstsq(basis, target, rcond=None)
        assert np.abs(basis @ weights - target).max() < 1e-4
        assert (np.abs(weights) > 1e-3).all()
    assert (mixed[2] == 0).all()


def test_as_many_channels_are_mixed_as_was_asked_for():
    given = sample((True,) * 4)
    transform = RandContrastMixd("image", prob=0.3)
    image = given["image"].as_tensor()
    changed = [(drawn(transform, seed, given) != image).flatten(1).any(1) for seed in range(200)]
    share = float(torch.stack(changed).float().mean())
    assert 0.25 < share < 0.35
    assert torch.equal(drawn(RandContrastMixd("image", prob=0), 1, given), image)
