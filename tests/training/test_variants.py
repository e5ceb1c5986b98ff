"""Overlays for trainings with few cases."""

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from bundle.config_files import find_overlay
from bundle.configuration import load_config
from bundle.errors import UsageError
from bundle.training.samples.contrast_mixing import RandContrastMixd
from bundle.training.samples.training_set import CachedCases

SHAPE = (52, 60, 44)
SETTINGS = {
    "spacing": 2,
    "filters": [4, 4, 4],
    "roi_size": "whole",
    "batch_size": 1,
    "start_from": None,
}


def merged(stage, *names):
    files = [find_overlay(name) for name in names]
    if stage == "experts":
        files.insert(0, find_overlay("train_experts", ("",)))
    return load_config("train.yaml", SETTINGS, files)


def case():
    """A brain of noise with a bright lesion; t2w was not acquired."""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(4, *SHAPE)
    image[:, 6:46, 8:52, 6:38] = torch.randn(4, 40, 44, 32, generator=generator)
    label = torch.zeros(3, *SHAPE)
    label[:, 16:28, 20:34, 14:26] = 1
    image[:, 16:28, 20:34, 14:26] += 2
    image[2] = 0
    return {
        "case_id": "a",
        "image": MetaTensor(image),
        "label": MetaTensor(label),
        "presence": torch.tensor([True, True, False, True]),
    }


@pytest.mark.parametrize("stage", ["experts", "mixture"])
def test_varied_samples_keep_labels_absent_channels_and_what_is_outside(stage):
    transforms = merged(stage, "few_cases").get_parsed_content("crop_transforms")
    samples = CachedCases([case()], Compose(transforms), seed=3)
    seen = []
    for epoch in range(6):
        samples.set_epoch(epoch)
        image, label = samples[0]["image"].as_tensor(), samples[0]["label"].as_tensor()
        assert set(label.unique().tolist()) == {0, 1}
        assert (image[2] == 0).all()
        assert 0.1 < float((image[0] != 0).float().mean()) < 0.9
        assert (image[0] == 0)[..., 0].any()
        seen.append(float(image[0].sum()) + float(label.sum()))
    assert len(set(seen)) == 6


def test_a_shared_expert_stands_under_every_name_and_sees_mixed_contrasts():
    config = merged("experts", "few_cases", "shared_expert")
    network = config.get_parsed_content("network_def")
    assert len({id(expert) for expert in network.experts.values()}) == 1
    kinds = [type(part) for part in config.get_parsed_content("crop_transforms")]
    assert RandContrastMixd in kinds
    alone = load_config("train.yaml", SETTINGS).get_parsed_content("network_def")
    experts = {name: value for name, value in network.state_dict().items() if "experts" in name}
    missing, unexpected = alone.load_state_dict(experts, strict=False)
    assert unexpected == []
    assert all(name.startswith(("gate.", "spacing")) for name in missing)


def test_losses_of_experts_reach_an_expert_that_the_mixture_does_not_trust():
    config = merged("mixture", "few_cases", "expert_losses")
    loss, inferer = (config.get_parsed_content(part) for part in ("loss", "train#inferer"))
    network = config.get_parsed_content("network")
    with torch.no_grad():
        network.gate.linear.bias.view(4, 3)[0] = -1e4
    flags = torch.tensor([[True, True, False, False]])
    image, target = torch.randn(1, 4, 64, 64, 64), torch.zeros(1, 3, 64, 64, 64)
    target[..., 16:32, 16:32, 16:32] = 1
    loss(inferer(image, network, flags, flags), target).backward()
    assert set(loss.parts) == {"more", "fewer", "hinge", "experts"}
    trained = {
        name: max(float(value.grad.abs().max()) for value in expert.parameters())
        for name, expert in network.experts.items()
        if all(value.grad is not None for value in expert.parameters())
    }
    assert set(trained) == {"t1n", "t1c"}
    assert trained["t1n"] > 1e-5


@pytest.mark.parametrize("other", ["static_averaging", "early_fusion"])
@pytest.mark.parametrize("overlay", ["gate_alone", "held_out_gate"])
def test_a_gate_alone_needs_a_gate_that_is_asked(overlay, other):
    config = merged("mixture", overlay, other)
    with pytest.raises(UsageError, match="only where a gate weighs the experts"):
        config.get_parsed_content("trained_parts")


def test_a_gate_alone_learns_of_the_training_cases(phantom_folder):
    config = merged("mixture", "gate_alone")
    config["dataset_dir"] = str(phantom_folder)
    assert config.get_parsed_content("training_cases") == config.get_parsed_content("divided")[0]
    (group,) = config.get_parsed_content("optimizer").param_groups
    network = config.get_parsed_content("network")
    assert [id(value) for value in group["params"]] == [id(v) for v in network.gate.parameters()]


def test_a_gate_that_learns_of_held_out_cases_leaves_the_experts_as_they_are(phantom_folder):
    config = merged("mixture", "held_out_gate")
    config["dataset_dir"] = str(phantom_folder)
    config["validation_share"] = 0.5
    held_out = config.get_parsed_content("divided")[1]
    assert config.get_parsed_content("training_cases") == held_out
    (group,) = config.get_parsed_content("optimizer").param_groups
    network = config.get_parsed_content("network")
    assert [id(value) for value in group["params"]] == [id(v) for v in network.gate.parameters()]


def test_the_hinge_can_compare_confidence():
    loss = merged("mixture", "confidence_hinge").get_parsed_content("loss")
    sure, unsure = torch.full((1, 3, 4, 4, 4), 2.0), torch.zeros(1, 3, 4, 4, 4)
    loss((unsure, sure), torch.ones(1, 3, 4, 4, 4))
    assert float(loss.parts["hinge"]) == pytest.approx(float(sure.sigmoid().mean()) - 0.5, abs=1e-5)


def test_a_training_with_self_distillation_and_the_experts_losses_notes_all_of_them():
    config = merged("mixture", "expert_losses", "self_distillation")
    loss = config.get_parsed_content("taught")
    assert config.get_parsed_content("stage_settings")["teaching_weight"] == loss.weight
    network, inferer = map(config.get_parsed_content, ("network", "train#inferer"))
    flags = torch.tensor([[True, True, False, False]])
    target = torch.zeros(1, 3, 64, 64, 64)
    loss(inferer(torch.randn(1, 4, 64, 64, 64), network, flags, flags), target)
    assert set(loss.parts) == {"more", "fewer", "hinge", "experts", "taught"}
