"""A setting names parts of the network, and never anything that runs."""

import json

import pytest
import torch
from torch import nn

from bundle.component_settings import check_builds, is_network_part, refuse_programs
from bundle.configuration import load_config, parse_settings
from bundle.errors import SetupError, UsageError
from tests.conftest import TINY_EXPERT

PROGRAMS = [
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "eval",
    "run",
    "download_url",
    "Conv3d",
    "monai.bundle.run",
    "monai.apps.download_url",
    "torch.hub.load",
    "torch.load",
    "bundle.serving.bundle_archive.pack",
    "bundle.files.atomic_file.os.system",
    "bundle.weights.checkpoints.os.remove",
    "bundle.weights.checkpoints.export_weights",
    "bundle.weights.checkpoints.Path",
    "monai.networks.utils.os.system",
    "monai.networks.nets.dynunet.no_such_thing",
    "torch.nn.functional.torch.load",
    "torch.nn.modules.module.warnings.sys.exit",
    "torch.nn.Module.register_forward_hook",
    "torch.nn.init.normal_",
    " torch.nn.Identity",
    "torch.nn",
    "torch.nnx.Identity",
    "",
    3,
    None,
    ["torch.nn.Identity"],
]
PLACES = pytest.mark.parametrize(
    "place",
    [
        lambda component: component,
        lambda component: [component],
        lambda component: {"a": component},
        lambda component: [[{"a": [component]}]],
        lambda component: {"_target_": "torch.nn.Sequential", "modules": [component]},
    ],
    ids=["plain", "in a list", "a value", "deep", "in a part"],
)


@PLACES
@pytest.mark.parametrize("target", PROGRAMS, ids=ascii)
def test_a_program_is_refused_wherever_it_stands(place, target):
    value = place({"_target_": target, "command": "x"})
    with pytest.raises(UsageError, match="plain data"):
        refuse_programs("expert", value)
    for key in ("expert", "overlap", "experts.expert", "my_own", "maps_dir"):
        with pytest.raises(UsageError, match="plain data"):
            parse_settings([f"{key}={json.dumps(value)}"])


@pytest.mark.parametrize(
    "word", ["_mode_", "_requires_", "_disabled_", "_desc_", "_meta_", "__class__", "_"]
)
@PLACES
def test_the_parsers_other_words_are_refused_too(word, place):
    with pytest.raises(UsageError, match="which MONAI would run"):
        refuse_programs("expert", place({"_target_": "torch.nn.Identity", word: "debug"}))
    with pytest.raises(UsageError, match="which MONAI would run"):
        refuse_programs("coverage", place({word: 1}))


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Conv3d",
        "torch.nn.modules.conv.Conv3d",
        "monai.networks.nets.DynUNet",
        "monai.networks.blocks.Convolution",
        "monai.losses.DiceLoss",
        "bundle.mixture.mixers.LogitMixer",
        "bundle.volume_networks.region_loss.DiceBCELoss",
        "bundle.peers.early_fusion.EarlyFusion",
    ],
)
def test_layers_networks_and_losses_are_parts(target):
    refuse_programs("expert", {"_target_": target, "nested": [{"_target_": target}]})
    assert is_network_part({"_target_": target})


def test_a_class_from_elsewhere_is_no_part_because_a_package_uses_it():
    assert not is_network_part({"_target_": "bundle.mixture.dmome.MONAI"})
    assert not is_network_part({"_target_": "monai.networks.nets.dynunet.LooseVersion"})


@pytest.mark.parametrize(
    "key",
    [
        "imports",
        "code",
        "initialize",
        "run",
        "finalize",
        "bundle_root",
        "displayable_configs",
        "_meta_",
        "mixture.run",
    ],
)
@pytest.mark.parametrize("text", ["x", "[x]", "{a: b}"])
def test_what_makes_a_config_work_is_no_setting(key, text):
    with pytest.raises(UsageError, match="is no setting"):
        parse_settings([f"{key}={text}"])


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "{a: &x [1, 2], b: *x}",
        "[" * 1000,
        "2021-13-45",
        "!!python/name:os.system",
        "\x07",
        "{" * 1000,
    ],
)
def test_yaml_that_is_more_than_plain_data_is_refused(text):
    with pytest.raises(UsageError, match="YAML value"):
        parse_settings([f"coverage={text}"])


@pytest.mark.parametrize("blank", [" ", "\t", "\u200b", "\n"], ids=ascii)
def test_code_behind_a_blank_is_text_for_the_parser_too(blank, tmp_path):
    """MONAI's parser does not strip: what it would take for code is exactly what is refused."""
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("mine: x\n", encoding="utf-8")
    for text in (f"{blank}$1/0", f"{blank}@device", f"{blank}%inference.yaml#device"):
        config = load_config("train.yaml", {"mine": text}, [overlay])
        assert config.get_parsed_content("mine") == text.replace("#", "::")


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ({"_target_": "torch.nn.Conv3d"}, "required positional"),
        ({**TINY_EXPERT, "bogus": 1}, "bogus"),
        ({**TINY_EXPERT, "in_channels": "many"}, "in_channels|TypeError"),
        ({**TINY_EXPERT, "out_channels": -3}, "."),
    ],
)
def test_a_part_that_cannot_be_built_is_one_sentence(component, said):
    with pytest.raises(
        SetupError, match=f"^expert must be a part that can be built; got .*({said})"
    ) as caught:
        load_config("inference.yaml", {"expert": component})
    assert caught.value.code == "E_SETTING"


def test_building_a_part_to_see_whether_it_can_be_does_not_touch_the_random_numbers():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_builds("expert", TINY_EXPERT)
    assert torch.equal(torch.rand(3), expected)


def test_an_expert_of_an_option_is_what_is_built():
    settings = parse_settings([f"expert={json.dumps(TINY_EXPERT)}"])
    network = load_config("inference.yaml", settings).get_parsed_content("network_def")
    assert all(isinstance(expert, nn.Conv3d) for expert in network.experts.values())
