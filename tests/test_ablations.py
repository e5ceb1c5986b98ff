import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.optimizers import WarmupCosineSchedule

import bundle
from bundle.bundle_config import BundleConfig
from bundle.config_files import config_files, find_overlay, stages_of
from bundle.configuration import load_config
from bundle.mixture.mixers import FeatureMixer, LogitMixer, ProbabilityMixer, StaticMixer
from bundle.peers.early_fusion import EarlyFusion
from bundle.peers.momke import MoMKE
from bundle.peers.shaspec import ShaSpec
from bundle.peers.shaspec_training import ShaSpecLoss
from bundle.tasks.default import DEFAULT_TASK

MODALITIES = DEFAULT_TASK.modality_names
REGIONS = DEFAULT_TASK.region_names

CONFIGS = Path(bundle.__file__).resolve().parents[1] / "configs"
ABLATIONS, PEERS = (
    sorted(path.stem for path in (CONFIGS / name).glob("*.yaml")) for name in ("ablations", "peers")
)
OVERLAYS = (*ABLATIONS, *PEERS)
EACH = pytest.mark.parametrize("name", OVERLAYS)
BOTH_STAGES = ("sgd", "cosine")
PAPER_WIDTHS = [8, 16, 32, 64, 80, 80]
NARROW = {
    "filters": [4, 4, 4, 4, 4, 4],
    "start_from": None,
    "device_name": "cpu",
    "n_steps": 10,
    "n_warmup_steps": 2,
}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def parsed(*files: Path, **values: Any) -> BundleConfig:
    """Read configs one over the other, as ``monai.bundle run`` does with a list of files."""
    parser = BundleConfig()
    parser.read_config(list(files))
    for key, value in {**NARROW, **values}.items():
        parser[key] = value
    return parser


def merged(name: str, base: str = "train.yaml", **values: Any) -> BundleConfig:
    return parsed(*config_files(base), find_overlay(name), **values)


def test_ten_ablations_and_three_peers_are_there():
    assert set(ABLATIONS) == {
        "without_pretraining",
        "static_averaging",
        "probability_level",
        "feature_level",
        "without_mofe",
        "reference_pairs",
        "per_region_hinge",
        "stop_fewer_gradient",
        "sgd",
        "cosine",
    }
    assert set(PEERS) == {"early_fusion", "momke", "shaspec"}


@pytest.mark.parametrize(
    ("name", "base"),
    [(name, "train.yaml") for name in OVERLAYS]
    + [(name, "train_experts.yaml") for name in BOTH_STAGES],
)
def test_an_ablation_overrides_what_is_there_and_changes_it(name, base):
    config, overlay = parsed(*config_files(base)).get(), read(find_overlay(name))
    for key in overlay.keys() - {"stages"}:
        assert key.split("#")[0] in config
    assert merged(name, base).get() != parsed(*config_files(base)).get()


@EACH
def test_an_ablation_is_merged_over_the_stages_that_it_is_for(name):
    stages = ("experts", "mixture") if name in BOTH_STAGES else ("mixture",)
    assert stages_of(find_overlay(name)) == stages


@EACH
def test_an_ablation_says_first_what_it_changes_and_where_the_paper_has_it(name):
    comment = find_overlay(name).read_text(encoding="utf-8").split("\n\n")[0]
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert "paper" in comment or "supplement, Table A" in comment


@EACH
def test_every_part_of_an_ablation_can_be_built(name):
    parser = merged(name)
    parts = {
        key: parser.get_parsed_content(key)
        for key in ("network", "loss", "optimizer", "scheduler", "pairs")
    }
    assert parts["network"].modalities == MODALITIES
    held = {id(value) for group in parts["optimizer"].param_groups for value in group["params"]}
    assert held == {id(value) for value in parts["network"].parameters()}
    assert parts["scheduler"].optimizer is parts["optimizer"]


@pytest.mark.parametrize("base", ["inference.yaml", "evaluate.yaml"])
@EACH
@pytest.mark.slow
def test_what_an_ablation_trains_is_the_network_that_is_deployed_and_judged(name, base, tmp_path):
    narrow = tmp_path / "narrow.yaml"
    narrow.write_text(yaml.safe_dump({"filters": NARROW["filters"]}), encoding="utf-8")
    parser = load_config(base, {}, [find_overlay(name), narrow], trained_with=True)
    trained, deployed = (
        config.get_parsed_content("network_def") for config in (merged(name), parser)
    )
    shapes = [
        {key: value.shape for key, value in one.state_dict().items()} for one in (trained, deployed)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.slow
@EACH
def test_an_ablation_takes_a_training_step(name):
    parser = merged(name, n_warmup_steps=0)
    parts = ("network", "loss", "optimizer", "pairs", "train#inferer")
    network, loss, optimizer, pairs, inferer = map(parser.get_parsed_content, parts)
    before = copy.deepcopy(network)
    sample = pairs({"presence": torch.tensor([True, True, False, True])})
    pred = inferer(
        torch.randn(1, 4, 64, 64, 64), network, sample["more"][None], sample["fewer"][None]
    )
    loss(pred, (torch.rand(1, len(REGIONS), 64, 64, 64) < 0.3).to(torch.uint8)).backward()
    optimizer.step()
    assert all(value.isfinite().all() for value in network.parameters())
    assert any(
        not torch.equal(*values)
        for values in zip(network.parameters(), before.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "mixer"),
    [
        ("without_pretraining", LogitMixer),
        ("static_averaging", StaticMixer),
        ("probability_level", ProbabilityMixer),
        ("feature_level", FeatureMixer),
    ],
)
def test_an_ablation_of_the_mixture_has_its_mixer(name, mixer):
    assert type(merged(name).get_parsed_content("network_def").mixer) is mixer


def test_early_fusion_is_one_network_of_the_papers_widths_with_a_channel_per_modality():
    network = merged("early_fusion", filters=PAPER_WIDTHS).get_parsed_content("network_def")
    assert isinstance(network, EarlyFusion)
    assert (network.unet.in_channels, network.unet.out_channels) == (len(MODALITIES), len(REGIONS))
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_950_963 + 3 * 8 * 27


def test_momke_has_the_experts_of_stage_1_a_router_for_each_and_a_head_for_all_features():
    network = merged("momke", filters=PAPER_WIDTHS).get_parsed_content("network_def")
    assert isinstance(network, MoMKE)
    assert all(
        (router.n_modalities, router.n_regions) == (1, len(MODALITIES))
        for router in network.routers.values()
    )
    assert network.head.block.conv.in_channels == len(MODALITIES) * PAPER_WIDTHS[0]


def test_shaspec_has_its_auxiliary_losses_and_no_ranking():
    parser = merged("shaspec", filters=PAPER_WIDTHS)
    network, loss = parser.get_parsed_content("network_def"), parser.get_parsed_content("loss")
    assert isinstance(network, ShaSpec)
    assert network.domain_classifier.in_features == PAPER_WIDTHS[-1]
    assert isinstance(loss, ShaSpecLoss)
    assert (loss.alignment, loss.domain, loss.pair_loss.weight) == (0.1, 0.02, 0.0)


def test_feature_maps_are_as_wide_as_the_experts_and_have_one_weight_per_modality():
    network = merged("feature_level", filters=PAPER_WIDTHS).get_parsed_content("network_def")
    assert network.gate.n_regions == 1
    assert network.mixer.head.output.conv.conv.in_channels == PAPER_WIDTHS[0]


@pytest.mark.parametrize("name", ["without_mofe", "early_fusion", "momke"])
def test_without_the_ranking_loss_its_weight_is_zero(name):
    assert merged(name).get_parsed_content("loss").weight == 0


@pytest.mark.parametrize("name", ["without_pretraining", "early_fusion", "shaspec"])
def test_a_single_stage_trains_as_long_as_two(name):
    epochs = sum(read(CONFIGS / base)["epochs"] for base in ("train.yaml", "train_experts.yaml"))
    assert merged(name).get()["epochs"] == epochs
    assert read(find_overlay(name))["start_from"] is None


def test_the_options_of_loss_and_pairs_arrive():
    assert merged("per_region_hinge").get_parsed_content("loss").per_region
    assert merged("stop_fewer_gradient").get_parsed_content("loss").stop_fewer_gradient
    assert merged("reference_pairs").get_parsed_content("pairs").strategy == "reference"


@pytest.mark.parametrize("base", ["train.yaml", "train_experts.yaml"])
def test_optimizer_and_schedule_can_be_replaced_in_both_stages(base):
    sgd = merged("sgd", base).get_parsed_content("optimizer")
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["lr"] == 0.01
    assert isinstance(merged("cosine", base).get_parsed_content("scheduler"), WarmupCosineSchedule)
