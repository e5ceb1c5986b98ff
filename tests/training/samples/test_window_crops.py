"""What of a case a training step sees."""

import pytest
import torch
from monai.transforms import Compose
from torch import nn

from bundle.configuration import load_config
from bundle.errors import CaseError, UsageError
from bundle.setting_kinds import WHOLE
from bundle.training.samples.window_crops import PadToWindowd, window_crops
from bundle.volume_networks.windows import LARGEST, WholeWindow

WINDOW = WholeWindow(step=8, smallest=16)
KEYS = ["image", "label"]


def case(shape):
    image = torch.rand(4, *shape) + 1
    return {"case_id": "Case-1", "image": image, "label": (image[:3] > 1.5).to(torch.uint8)}


def test_a_window_as_large_as_the_case_shows_all_of_it_in_its_middle():
    whole = case((17, 24, 9))
    seen = PadToWindowd(KEYS, WINDOW)(whole)
    for key in KEYS:
        assert seen[key].shape[1:] == (24, 24, 16)
        assert torch.equal(seen[key][:, 3:20, :, 3:12], whole[key])
        assert seen[key].sum() == whole[key].sum()


def test_cases_that_are_seen_whole_are_no_batch():
    with pytest.raises(UsageError, match=r"roi_size=whole needs batch_size=1, .*got 2"):
        window_crops(WHOLE, nn.Identity(), keys=KEYS, label_key="label", batch_size=2)


def test_a_case_that_would_be_divided_is_named():
    side = round(LARGEST ** (1 / 3)) + 8
    label = torch.zeros(1, 1, 1, 1).expand(1, side, side, side)
    with pytest.raises(CaseError, match=r"Case-1: .* at most 8,257,536 voxels; got \(2\d\d, "):
        PadToWindowd(["label"], WINDOW)({"case_id": "Case-1", "label": label})


def test_the_config_sees_cases_whole_where_it_is_told_to():
    settings = {"roi_size": "whole", "batch_size": 1}
    config = load_config("train.yaml", settings)
    transforms = Compose(config.get_parsed_content("crop_transforms"))
    seen = transforms({**case((50, 130, 97)), "presence": torch.ones(4, dtype=torch.bool)})
    assert seen["image"].shape == (4, 96, 160, 128)
    assert seen["label"].shape == (3, 96, 160, 128)
    assert config.get_parsed_content("deepest_size") == 3
