import importlib.util
import logging
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from bundle.configuration import load_config
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.runtimes import openvino_expert, runtime
from bundle.inference.runtimes.expert_cache import CACHE_VARIABLE
from bundle.inference.runtimes.openvino_expert import OpenVinoExpert, fingerprint
from bundle.inference.runtimes.runtime import (
    OpenVinoRuntime,
    Runtime,
    choose_runtime,
    runtime_on,
)
from bundle.inference.runtimes.runtime_inferer import RuntimeInferer, TellRuntimed
from bundle.volume_networks.experts import unet

NEEDS_OPENVINO = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
SHAPE = (1, 4, 64, 40, 48)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "openvino"


def predict(chosen, network, image):
    """Run as in inference, and return the logits with what a result says of the runtime."""
    inferer = RuntimeInferer(MixtureInferer(roi_size=SHAPE[2:], mode="gaussian"), chosen)
    with torch.inference_mode():
        logits = inferer(image, network)["logits"]
    told = TellRuntimed(chosen)({"result": {"warnings": ["old"]}})["result"]
    return logits, told["runtime"], told["warnings"][1:]


def expert(network, **options):
    """Stand in for one expert, with a list of what it warned of."""
    warnings: list[str] = []
    stand_in = OpenVinoExpert(network.eval(), None, warnings.append, lambda _: None)
    with torch.inference_mode():
        return stand_in, warnings


def test_torch_leaves_the_network_as_it_is(tiny_network):
    assert Runtime().prepare(tiny_network) is tiny_network
    assert predict(choose_runtime("torch"), tiny_network, torch.randn(SHAPE))[1:] == (
        "torch",
        [],
    )


def test_without_openvino_auto_is_torch_and_says_nothing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    chosen = choose_runtime("auto")
    assert (chosen.name, chosen.warnings) == ("torch", [])


def test_openvino_that_was_asked_for_and_is_not_here_is_a_warning_and_torch(monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        chosen = choose_runtime("openvino")
    assert chosen.name == "torch"
    assert "not installed" in chosen.warnings[0]
    assert chosen.warnings[0] in caplog.text


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_a_network_that_is_not_on_the_cpu_is_run_by_torch(tiny_network, is_asked_for):
    chosen = OpenVinoRuntime(is_asked_for=is_asked_for)
    elsewhere = tiny_network.to("meta")
    assert chosen.prepare(elsewhere) is elsewhere
    assert (chosen.used, chosen.on("cuda:0"), chosen.on("cpu")) == ("torch", "torch", "openvino")
    assert len(chosen.warnings) == is_asked_for


@pytest.mark.parametrize(
    ("capability", "failure", "said"),
    [
        ("DEFAULT", None, "AVX2"),
        ("AVX512", RuntimeError("No device CPU.\nmore"), "No device CPU"),
        ("AVX2", ImportError("broken"), "broken"),
    ],
)
def test_a_cpu_or_an_installation_that_cannot_is_a_sentence_and_torch(
    monkeypatch, capability, failure, said
):
    def version():
        raise failure

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(runtime, "version_and_cpu", version)
    chosen = choose_runtime("auto")
    assert chosen.name == "torch"
    (warning,) = chosen.warnings
    assert said in warning
    assert "\n" not in warning


@NEEDS_OPENVINO
def test_openvino_says_what_torch_says_and_the_result_tells_it(tiny_network):
    image = torch.randn(SHAPE)
    right = predict(Runtime(), tiny_network, image)[0]
    said, name, warnings = predict(choose_runtime("auto"), tiny_network, image)
    assert torch.allclose(said, right, atol=1e-5)
    assert (name, warnings) == ("openvino", [])


@NEEDS_OPENVINO
def test_the_network_that_is_given_keeps_its_experts(tiny_network):
    before, text = list(tiny_network.experts.values()), str(tiny_network)
    other = OpenVinoRuntime().prepare(tiny_network)
    assert list(tiny_network.experts.values()) == before
    assert str(tiny_network) == text
    assert other.gate is tiny_network.gate


@NEEDS_OPENVINO
def test_changed_weights_are_converted_again(tiny_network):
    chosen, image = OpenVinoRuntime(), torch.randn(SHAPE)
    predict(chosen, tiny_network, image)
    with torch.no_grad():
        tiny_network.experts["t1c"].weight.mul_(2)
    right = predict(Runtime(), tiny_network, image)[0]
    assert torch.allclose(predict(chosen, tiny_network, image)[0], right, atol=1e-5)


@NEEDS_OPENVINO
def test_a_second_process_finds_the_experts_of_the_first(tiny_network, cache, monkeypatch):
    image = torch.randn(SHAPE)
    first = predict(OpenVinoRuntime(), tiny_network, image)[0]
    assert len(list(cache.iterdir())) == 4
    monkeypatch.delattr(openvino_expert, "convert")
    second, name, _ = predict(OpenVinoRuntime(), tiny_network, image)
    assert name == "openvino"
    assert torch.equal(first, second)


@NEEDS_OPENVINO
def test_a_cache_that_cannot_be_written_is_one_warning(tiny_network, cache):
    cache.parent.write_text("a file")
    _, name, warnings = predict(OpenVinoRuntime(), tiny_network, torch.randn(SHAPE))
    assert name == "openvino"
    (warning,) = warnings
    assert "cannot be kept" in warning


@NEEDS_OPENVINO
@pytest.mark.parametrize("part", ["convert", "CompiledExpert"])
def test_a_conversion_or_compilation_that_fails_is_one_warning_and_torch(
    tiny_network, monkeypatch, part
):
    def fail(*args, **options):
        raise RuntimeError("first line\nno such operation.")

    image = torch.randn(SHAPE)
    right = predict(Runtime(), tiny_network, image)[0]
    monkeypatch.setattr(openvino_expert, part, fail)
    said, name, warnings = predict(OpenVinoRuntime(), tiny_network, image)
    assert torch.equal(said, right)
    assert name == "torch"
    (warning,) = warnings
    assert warning.endswith("torch does: no such operation.")


class Sized(nn.Module):
    """Has the size of the example built in once it is traced."""

    def forward(self, values):
        return values * float(values.shape[-1])


@NEEDS_OPENVINO
def test_an_expert_that_says_something_else_after_conversion_is_refused():
    stand_in, warnings = expert(Sized())
    values = torch.randn(1, 1, 8, 8, 8)
    with torch.inference_mode():
        assert torch.equal(stand_in(values), values * 8)
    assert "must equal torch's" in warnings[0]


@NEEDS_OPENVINO
def test_values_that_are_no_numbers_are_left_to_torch():
    stand_in, warnings = expert(nn.Conv3d(1, 2, 1))
    with torch.inference_mode():
        assert torch.isnan(stand_in(torch.full((1, 1, 4, 4, 4), torch.nan))).all()
    assert "no numbers" in warnings[0]


@NEEDS_OPENVINO
@pytest.mark.parametrize("n_cases", [1, 3])
def test_batches_of_any_size_and_windows_of_any_shape_follow_each_other(n_cases):
    network = nn.Conv3d(1, 2, 3, padding=1)
    stand_in, warnings = expert(network)
    with torch.inference_mode():
        for shape in ((8, 8, 8), (6, 5, 7), (8, 8, 8), (9, 4, 4)):
            values = torch.randn(n_cases, 1, *shape)
            assert torch.allclose(stand_in(values), network(values), atol=1e-5)
    assert warnings == []
    assert len(stand_in._compiled) == openvino_expert.MAX_SHAPES


@NEEDS_OPENVINO
def test_the_caller_owns_what_it_gets():
    stand_in, _ = expert(nn.Conv3d(1, 2, 1))
    with torch.inference_mode():
        first = stand_in(torch.ones(1, 1, 4, 4, 4))
        kept = first.clone()
        stand_in(torch.zeros(1, 1, 4, 4, 4))
    assert torch.equal(first, kept)


@NEEDS_OPENVINO
def test_what_learns_and_what_was_forked_is_run_by_torch(monkeypatch):
    stand_in, warnings = expert(nn.Conv3d(1, 2, 1))
    stand_in(torch.ones(1, 1, 4, 4, 4)).sum().backward()
    assert stand_in.expert.weight.grad is not None
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with torch.inference_mode():
        stand_in(torch.ones(1, 1, 4, 4, 4))
    assert (warnings, len(stand_in._compiled)) == ([], 0)


@NEEDS_OPENVINO
def test_a_volume_with_much_air_is_normalised_as_exactly_as_by_torch():
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True))
    stand_in, warnings = expert(network)
    values = torch.zeros(1, 1, 96, 96, 96)
    values[..., 30:60, 30:60, 30:60] = 5 + torch.randn(30, 30, 30)
    with torch.inference_mode():
        right = network.double()(values.double())
        network.float()
        assert float((stand_in(values) - right).abs().max()) < 3e-5
    assert warnings == []


@NEEDS_OPENVINO
def test_bfloat16_is_left_to_torch():
    network = unet(filters=[4, 8, 8], out_channels=3)
    stand_in, warnings = expert(network)
    values = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(stand_in(values), network(values))
    assert (warnings, stand_in._converted) == ([], None)
    assert runtime_on(OpenVinoRuntime(), "cpu", bfloat16=True) == "torch"
    assert runtime_on(OpenVinoRuntime(), "cpu") == "openvino"


def test_a_runtime_can_be_sent_and_leaves_behind_what_is_compiled(tiny_network):
    chosen = OpenVinoRuntime()
    chosen.prepare(tiny_network)
    sent = pickle.loads(pickle.dumps(chosen))
    assert sent._last is None


def test_the_fingerprint_tells_weights_and_layers_apart():
    torch.manual_seed(0)
    one = nn.Conv3d(1, 2, 3)
    same = nn.Conv3d(1, 2, 3, dilation=2)
    same.load_state_dict(one.state_dict())
    before = fingerprint(one)
    assert before == fingerprint(one) != fingerprint(same)
    with torch.no_grad():
        one.bias[0] += 1
    assert before != fingerprint(one)


@pytest.mark.parametrize("config", ["inference.yaml", "evaluate.yaml"])
def test_both_configs_give_the_runtime_to_inferer_and_result(config, tiny_settings, tmp_path):
    settings = {**tiny_settings, "runtime": "torch", "dataset_dir": tmp_path}
    parser = load_config(config, settings)
    inferer = parser.get_parsed_content("inferer")
    assert inferer.runtime is parser.get_parsed_content("tell_runtime").runtime
    assert parser.get_parsed_content("told_settings")["runtime"] == "torch"


@NEEDS_OPENVINO
@pytest.mark.slow
def test_the_shipped_network_decides_alike_in_both_runtimes(phantom_folder):
    case = next(phantom_folder.iterdir())
    parser = load_config("inference.yaml", {"device_name": "cpu", "runtime": "openvino"})
    image = parser.get_parsed_content("preprocessing")({"image": case})["image"][None]
    network = parser.get_parsed_content("network")
    with torch.inference_mode():
        said = parser.get_parsed_content("inferer")(image, network)["logits"]
        right = parser.get_parsed_content("sliding")(image, network)["logits"]
    assert parser.get_parsed_content("expert_runtime").used == "openvino"
    assert float((said - right).abs().max()) < 1e-3
    assert int(((said > 0) != (right > 0)).sum()) <= said[0, 0].numel() // 10_000


SIGNALS = """
import signal, torch
from torch import nn
from bundle.inference.runtimes import openvino_models as models

network, noise = nn.Conv3d(1, 1, 3).eval(), torch.randn(1, 1, 8, 8, 8)
converted = models.convert(network, noise)
several = [models.CompiledExpert(converted, noise.shape, 1) for _ in range(3)]
for expert in several:
    expert(noise)
del expert
while several:
    several.pop(0)
seen = []
signal.signal(signal.SIGINT, lambda *told: seen.append(told[0]))
for _ in range(100):
    signal.raise_signal(signal.SIGINT)
print("signals:", len(seen))
"""


@NEEDS_OPENVINO
@pytest.mark.slow
def test_a_process_takes_signals_after_its_experts_are_gone():
    """OpenVINO gives its threads stacks for signals on CPUs with AMX."""
    run = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "signals: 100\n"), run.stderr
