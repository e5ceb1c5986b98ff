import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.volume_networks.pooling import pool_inside, pool_label, unpool

SIDES = st.tuples(*[st.integers(1, 9)] * 3)


def random_image(shape, seed=0):
    """Draw two channels, the first with about a third of its voxels outside."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(2, *shape, generator=generator)
    image[0][torch.rand(shape, generator=generator) < 0.3] = 0
    return image


def cube_sums(volume, n):
    """Sum (H, W, D) over cubes of n voxels a side, filled up with 0."""
    filled = np.pad(volume, [(0, -size % n) for size in volume.shape])
    halves = [part for size in filled.shape for part in (size // n, n)]
    return filled.reshape(halves).sum(axis=(1, 3, 5))


@given(SIDES, st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_voxel_is_the_mean_of_what_is_inside_of_it_or_outside(shape, n, seed):
    image = random_image(shape, seed)
    pooled = pool_inside(image, n)
    for channel, found in zip(image.numpy(), pooled, strict=True):
        total, count = cube_sums(channel, n), cube_sums((channel != 0).astype(float), n)
        inside = count >= n**3 / 2
        assert torch.equal(found != 0, torch.from_numpy(inside))
        expected = torch.from_numpy(total)[inside] / torch.from_numpy(count)[inside]
        assert torch.allclose(found[inside].double(), expected.double(), atol=1e-5)


def test_the_rim_of_a_brain_does_not_darken():
    image = torch.zeros(1, 8, 8, 8)
    image[:, 1:] = 5.0  # of the first pair of planes half is inside
    assert pool_inside(image, 2).unique().tolist() == [5.0]


@given(SIDES, st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_region_holds_what_it_holds_at_least_half_of_and_stays_nested(shape, n, seed):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    regions = torch.stack([values > 0.3, values > 0.7]).to(torch.uint8)
    pooled = pool_label(regions, n)
    assert pooled.dtype == torch.uint8
    for region, found in zip(regions.numpy(), pooled, strict=True):
        expected = cube_sums(region.astype(float), n) >= n**3 / 2
        assert torch.equal(found.bool(), torch.from_numpy(expected))
    assert (pooled[1] <= pooled[0]).all()


@pytest.mark.parametrize("n", [2, 3])
def test_what_is_linear_in_space_comes_back_as_it_was(n):
    """But at the rim, where there is no voxel beyond to interpolate with."""
    axes = torch.meshgrid(*[torch.arange(1.0, 13)] * 3, indexing="ij")
    ramp = (axes[0] + 2 * axes[1] - axes[2] + 40)[None]
    back = unpool(pool_inside(ramp, n)[None], n, ramp.shape[1:])[0]
    inner = (slice(None), *[slice(n, -n)] * 3)
    assert torch.allclose(back[inner], ramp[inner], atol=1e-4)


@given(SIDES, st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_maps_come_back_with_their_shape_and_their_sum(shape, n):
    pooled = pool_inside(torch.ones(1, *shape), n)
    maps = torch.softmax(torch.randn(1, 3, *pooled.shape[1:]), dim=1)
    back = unpool(maps, n, shape)
    assert back.shape == (1, 3, *shape)
    assert torch.allclose(back.sum(1), torch.ones(1, *shape), atol=1e-5)


def test_one_changes_nothing():
    image = random_image((5, 6, 7))
    assert pool_inside(image, 1) is image
    assert pool_label(image, 1) is image
    assert unpool(image[None], 1, (5, 6, 7)).equal(image[None])
