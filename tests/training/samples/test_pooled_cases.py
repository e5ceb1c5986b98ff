import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.affines import apply_affine

from bundle.training.samples.pooled_cases import PoolCased

AFFINE = torch.tensor(
    [[-1.0, 0, 0, 90], [0, 0, 1.0, -100], [0, 1.0, 0, -70], [0, 0, 0, 1]], dtype=torch.float64
)


def case():
    places = torch.stack(
        torch.meshgrid(*[torch.arange(1.0, n + 1) for n in (6, 8, 4)], indexing="ij")
    )
    label = (places > 3).to(torch.uint8)
    return {
        "image": MetaTensor(places, affine=AFFINE),
        "label": MetaTensor(label, affine=AFFINE),
        "case_id": "a",
    }


def test_pooled_voxels_lie_in_the_middle_of_their_own():
    pooled = PoolCased(spacing=2)(case())
    image = pooled["image"]
    assert image.shape == (3, 3, 4, 2)
    # The image holds each voxel's place, counted from 1; the mean of those pooled is the middle.
    middle = image.as_tensor()[:, 1, 2, 0].numpy() - 1
    here = apply_affine(AFFINE.numpy(), middle)
    assert np.allclose(apply_affine(image.affine.numpy(), (1, 2, 0)), here)
    assert torch.equal(image.affine, pooled["label"].affine)
    assert pooled["case_id"] == "a"


def test_a_label_is_pooled_by_majority():
    label = PoolCased(spacing=2)(case())["label"]
    assert label.dtype == torch.uint8
    # Places 3 and 4 share a voxel: half of it is in the region.
    assert label[0, :, 0, 0].tolist() == [0, 1, 1]


def test_at_1_mm_a_case_stays_what_it_is():
    one = case()
    same = PoolCased(spacing=1)(one)
    assert same["image"] is one["image"]
    assert same["label"] is one["label"]


def test_tensors_without_metadata_are_pooled_too():
    plain = {
        key: torch.as_tensor(value.as_tensor()) for key, value in case().items() if key != "case_id"
    }
    pooled = PoolCased(spacing=2)(plain)
    assert type(pooled["image"]) is torch.Tensor
    assert pooled["image"].shape == (3, 3, 4, 2)
