import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Flip

from bundle.training.samples.packed_case import from_bytes, keep_affine_only, to_bytes

SHAPE = (2, 5, 6, 7)
SPARSE = torch.zeros(SHAPE).index_fill(1, torch.tensor([1, 3]), 1.5)

TENSORS = {
    "mostly zero": SPARSE,
    "no zero": torch.rand(SHAPE) + 1,
    "only zeros": torch.zeros(SHAPE),
    "float64": SPARSE.double(),
    "float16": SPARSE.half(),
    "bfloat16": SPARSE.bfloat16(),
    "uint8": SPARSE.to(torch.uint8),
    "int64": SPARSE.long(),
    "complex128": SPARSE.to(torch.complex128),
    "bool": SPARSE > 0,
    "empty": torch.zeros(0, 3),
    "one number": torch.tensor(3.5),
    "not contiguous": SPARSE.transpose(1, 3),
}


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_comes_back_bit_by_bit(name):
    tensor = TENSORS[name]
    back = from_bytes(to_bytes(tensor))
    assert (back.dtype, back.shape, type(back)) == (tensor.dtype, tensor.shape, torch.Tensor)
    assert torch.equal(bits(back), bits(tensor))


def test_zeros_with_a_sign_and_values_that_are_no_number_come_back():
    tensor = torch.tensor([0.0, -0.0, float("nan"), float("inf"), 1e-45, *[0.0] * 100])
    assert torch.equal(bits(from_bytes(to_bytes(tensor))), bits(tensor))


def test_a_case_comes_back_with_its_types():
    case = {
        "case_id": "größe",
        "image": MetaTensor(SPARSE, affine=torch.diag(torch.tensor([1.0, 2, 3, 1])).double()),
        "presence": torch.tensor([True, False]),
        "more": [1, 2.5, None, True, ("a", np.arange(3, dtype=np.uint16))],
    }
    back = from_bytes(to_bytes(case))
    assert list(back) == list(case)
    assert back["case_id"] == "größe"
    assert isinstance(back["image"], MetaTensor)
    assert torch.equal(back["image"].as_tensor(), SPARSE)
    assert torch.equal(back["image"].affine, case["image"].affine)
    assert back["image"].affine.dtype == torch.float64
    assert type(back["presence"]) is torch.Tensor
    assert back["more"][:4] == [1, 2.5, None, True]
    assert isinstance(back["more"][4], tuple)
    assert back["more"][4][1].dtype == np.uint16
    assert back["more"][4][1].tolist() == [0, 1, 2]


def test_background_costs_a_bit_per_voxel():
    image = torch.zeros(1, 40, 50, 60)
    image[:, :4] = torch.rand(1, 4, 50, 60) + 1
    n_bytes = image.numel() / 8 + 4 * (image != 0).sum().item()
    assert n_bytes < len(to_bytes(image)) < n_bytes + 4096


def test_a_damaged_byte_anywhere_is_found():
    stored = to_bytes({"image": TENSORS["no zero"], "case_id": "a"})
    for position in (0, 31, 32, 33, 200, len(stored) // 2, len(stored) - 1):
        damaged = bytearray(stored)
        damaged[position] ^= 1
        with pytest.raises(ValueError, match="must match its SHA-256"):
            from_bytes(bytes(damaged))


@pytest.mark.parametrize("length", [0, 10, 32, 500])
def test_a_truncated_case_is_found(length):
    with pytest.raises(ValueError, match="must match its SHA-256"):
        from_bytes(to_bytes(SPARSE)[:length])


def test_what_is_neither_voxels_nor_text_nor_number_is_refused():
    with pytest.raises(TypeError, match=r"got set\. Drop it with SelectItemsd"):
        to_bytes({"image": SPARSE, "files": {"a"}})


def test_an_image_keeps_its_voxels_and_its_affine_and_nothing_else():
    image = MetaTensor(
        SPARSE, affine=torch.eye(4).double() * 2, meta={"filename_or_obj": "/home/a.nii"}
    )
    kept = keep_affine_only({"image": Flip(0)(image), "list": [image], "text": "a"})
    assert torch.equal(kept["image"].as_tensor(), SPARSE.flip(1))
    assert not torch.equal(kept["image"].affine, image.affine)
    assert torch.equal(kept["list"][0].affine, image.affine)
    assert "filename_or_obj" not in kept["image"].meta
    assert kept["image"].applied_operations == []
    assert kept["text"] == "a"
