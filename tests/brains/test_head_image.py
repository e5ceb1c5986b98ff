import numpy as np
import pytest
import torch

from bundle.brains import head_image as module
from bundle.brains.head_image import head_image
from tests.brains.drawn_heads import plain_brain, scan_of


@pytest.fixture
def brain():
    """Half the size of a brain, to be quick."""
    return plain_brain(6.0, np.random.default_rng(0))


def answer(head):
    """What a network would say that takes everything bright for brain."""
    return torch.cat([-head.image, head.image], dim=1)


def test_the_network_sees_voxels_of_one_and_a_half_millimetres_in_multiples_of_16(brain):
    head = head_image(scan_of(brain[:, :, ::2], (3.0, 3.0, 6.0)))
    assert head.shape == (54, 66, 56)
    assert all(size % 16 == 0 for size in head.image.shape[2:])
    inside = head.image[0, 0][head.box]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-4)
    assert float(inside.std()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flip", [1, -1])
def test_a_mask_lies_on_the_voxels_of_its_volume_whatever_their_order(brain, order, flip):
    brain = brain.copy()
    brain[: brain.shape[0] // 3] = 0  # so that its ends differ
    volume = scan_of(brain, 3.0)
    affine = volume.grid.affine[:, [*order, 3]].copy()
    data = brain.transpose(order)
    if flip < 0:
        affine[:3, 3] += affine[:3, 0] * (data.shape[0] - 1)
        affine[:3, 0] *= -1
        data = data[::-1]
    turned = scan_of(data, 3.0)
    object.__setattr__(turned, "grid", type(turned.grid)(data.shape, affine, turned.grid.header))
    mask = head_image(turned).on_volume(answer(head_image(turned)))
    truth = data > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.97


def test_a_large_field_of_view_is_cut_to_the_head_and_the_mask_is_not(brain, monkeypatch):
    volume = scan_of(np.pad(brain, 14), 3.0)
    whole = head_image(volume)
    monkeypatch.setattr(module, "MAX_VOXELS", 100)
    cut = head_image(volume)
    assert cut.image.numel() < 0.5 * whole.image.numel()
    np.testing.assert_array_equal(cut.on_volume(answer(cut)), whole.on_volume(answer(whole)))


def test_the_largest_part_is_kept_and_its_holes_are_filled(brain):
    data = np.pad(brain, 8)
    data[:3, :3, :3] = brain.max()
    middle = tuple(size // 2 for size in data.shape)
    data[tuple(slice(n - 2, n + 2) for n in middle)] = 0
    head = head_image(scan_of(data, 3.0))
    mask = head.on_volume(answer(head))
    assert not mask[:3, :3, :3].any()
    assert mask[middle]


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_volume_without_contrast_has_no_brain(value):
    head = head_image(scan_of(np.full((20, 21, 22), value), 3.0))
    assert bool(torch.isfinite(head.image).all())
    assert not head.on_volume(answer(head) - torch.tensor([0.0, 1.0])[:, None, None, None]).any()
