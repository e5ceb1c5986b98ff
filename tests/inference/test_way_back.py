import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, Invertd, Orientationd

from bundle.cases.preparation import ResampleTo1mmd, is_any_not_zero
from bundle.inference import way_back
from bundle.inference.placement import Placement, whole_volume
from bundle.inference.way_back import PLACEMENT, ToInputGridd

SHAPE = (9, 12, 14)
TURN = np.array([[0, 0, -1, 5], [1, 0, 0, -3], [0, -1, 0, 2], [0, 0, 0, 1]], float)
OBLIQUE = np.array([[0.98, -0.199, 0, 3], [0.199, 0.98, 0, 1], [0, 0, 1, 2], [0, 0, 0, 1]])
NOT_RESAMPLED = {
    "as the network has it": np.eye(4),
    "as BraTS has it": np.diag([-1.0, -1, 1, 1]),
    "axes swapped": TURN,
    "axes swapped twice": np.linalg.matrix_power(TURN, 2),
    "oblique": OBLIQUE,
}
RESAMPLED = {
    "anisotropic": np.diag([1.0, 1, 2.5, 1]),
    "turned and anisotropic": TURN @ np.diag([0.8, 1.3, 1, 1]),
    "almost 1 mm": np.diag([1.01, 1, 1, 1]),
}
ALL = NOT_RESAMPLED | RESAMPLED


def chain():
    crop = CropForegroundd("image", "image", select_fn=is_any_not_zero, allow_smaller=True)
    return Compose([Orientationd("image", "RAS", labels=None), ResampleTo1mmd("image"), crop])


def prepared(affine):
    image = torch.zeros(2, *SHAPE)
    image[0, 2:8, 3:9, 1:10] = torch.rand(6, 6, 9) + 0.1
    image[1, 3:9, 3:4, 5:6] = 1
    steps = chain()
    meta = {"filename_or_obj": "a.nii.gz", "original_affine": affine}
    case = {"image": MetaTensor(image, affine=torch.as_tensor(affine), meta=meta)}
    return steps, steps(case)


def options(steps, **others):
    return {"transform": steps, "orig_keys": "image", "nearest_interp": False, **others}


@pytest.mark.parametrize("name", ALL)
def test_maps_come_back_as_monai_brings_them_back_with_the_same_metadata(name):
    steps, case = prepared(ALL[name])
    shape = case["image"].shape[1:]
    case = {**case, "a": torch.rand(3, *shape), "b": torch.rand(1, *shape)}
    for key in ("a", "b"):
        case[key] = MetaTensor(case[key], meta=case["image"].meta)
    got = ToInputGridd(keys=["a", "b"], **options(steps))(case)
    expected = Invertd(keys=["a", "b"], **options(steps))(case)
    for key in ("a", "b"):
        assert torch.equal(got[key].as_tensor(), expected[key].as_tensor())
        assert got[key].dtype == expected[key].dtype
        assert torch.allclose(got[key].affine, expected[key].affine, rtol=0, atol=1e-12)
        assert got[key].applied_operations == expected[key].applied_operations == []
        assert got[key].meta.keys() == expected[key].meta.keys()
    assert PLACEMENT not in got
    # What was prepared can be brought back again.
    assert torch.equal(ToInputGridd(keys="a", **options(steps))(case)["a"], got["a"])


@pytest.mark.parametrize("name", ALL)
def test_only_where_a_case_was_resampled_monai_is_asked(name, monkeypatch):
    steps, case = prepared(ALL[name])
    asked = []
    monkeypatch.setattr(way_back.Invertd, "__call__", lambda self, data: asked.append(1) or data)
    maps = MetaTensor(torch.rand(1, *case["image"].shape[1:]))
    got = ToInputGridd(keys="a", boxed=True, **options(steps))({**case, "a": maps})
    assert bool(asked) == (name not in NOT_RESAMPLED)
    assert (PLACEMENT in got) == (name in NOT_RESAMPLED)


@pytest.mark.parametrize("name", NOT_RESAMPLED)
def test_maps_that_stay_in_their_box_say_where_it_lies(name):
    steps, case = prepared(ALL[name])
    case["a"] = MetaTensor(torch.rand(2, *case["image"].shape[1:]), meta=case["image"].meta)
    got = ToInputGridd(keys="a", boxed=True, **options(steps))(case)
    whole = ToInputGridd(keys="a", **options(steps))(case)
    assert torch.equal(got["a"].as_tensor(), case["a"].as_tensor())
    assert torch.equal(got["a"].affine, whole["a"].affine)
    assert torch.equal(got[PLACEMENT].embed(got["a"]), whole["a"].as_tensor())


def test_a_chain_that_did_something_else_is_left_to_monai():
    steps = Compose(
        [Orientationd("image", "LAS", labels=None), Orientationd("image", "RAS", labels=None)]
    )
    image = MetaTensor(torch.rand(1, *SHAPE), affine=torch.diag(torch.tensor([1.0, -1, 1, 1])))
    case = steps({"image": image})
    case["a"] = case["image"]
    got = ToInputGridd(keys="a", **options(steps))(case)["a"]
    assert torch.equal(got.as_tensor(), image.as_tensor())


def test_a_box_is_embedded_in_what_is_around_it_channel_by_channel():
    place = whole_volume(SHAPE).within((slice(1, 3), slice(0, 12), slice(4, 5)))
    assert place == Placement(SHAPE, (slice(1, 3), slice(0, 12), slice(4, 5)))
    whole = place.embed(torch.ones(2, 2, 12, 1), [5, 7])
    assert whole.shape == (2, *SHAPE)
    assert (whole[:, 1:3, :, 4:5] == 1).all()
    assert whole.sum() == (5 + 7) * (9 * 12 * 14 - 24) + 2 * 24
    assert place.embed(torch.ones(1, 2, 12, 1, dtype=torch.uint8)).dtype == torch.uint8
