"""What leaves Python as TorchScript, as a trace or as ONNX still predicts what the network
predicts.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import bundle
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import (
    FeatureMixer,
    LogitMixer,
    ProbabilityMixer,
    StaticMixer,
    SumMixer,
)
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.experts import FeatureHead
from tests.mixture.networks import NETWORKS, SHAPE, mixture

REGIONS = DEFAULT_TASK.region_names

ROOT = Path(bundle.__file__).resolve().parents[1]
SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
MIXED = torch.tensor([[True, False, True, False], [False, True, True, True]])
Prediction = Callable[..., Tensor]
MIXERS = {
    "logits": LogitMixer,
    "probabilities": ProbabilityMixer,
    "exclusive": lambda: ProbabilityMixer(exclusive=True),
    "sum": lambda: SumMixer(LogitMixer()),
    "static": StaticMixer,
    "features": lambda: FeatureMixer(FeatureHead(4, len(REGIONS))),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning:torch.nn"),  # not of the bundle
    pytest.mark.filterwarnings(
        r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"
    ),  # torch.onnx
]


def small(kind: str) -> DMoME:
    """A mixture with experts of one layer."""
    torch.manual_seed(0)
    n_channels, n_scores = (4, 1) if kind == "features" else (len(REGIONS), len(REGIONS))
    network = mixture(
        MIXERS[kind](), lambda **_: nn.Conv3d(1, n_channels, kernel_size=3, padding=1), n_scores
    )
    return network.eval().requires_grad_(False)


def with_unets(kind: str = "logits") -> nn.Module:
    return NETWORKS[kind]().eval().requires_grad_(False)


def acquired(image: Tensor, presence: Tensor, absent: float = 0.0) -> Tensor:
    return torch.where(presence[:, :, None, None, None], image, absent)


def exported(network: nn.Module, *inputs: Tensor) -> Prediction:
    """Send a network through ONNX: what comes back takes and gives tensors."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file, names = io.BytesIO(), ["image", "presence"][: len(inputs)]
    torch.onnx.export(network, inputs, input_names=names, dynamo=True, verbose=False).save(file)
    return running(onnxruntime.InferenceSession(file.getvalue()))


def running(session) -> Prediction:
    names = [one.name for one in session.get_inputs()]
    return lambda *inputs: torch.from_numpy(
        session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})[0]
    )


@pytest.fixture(scope="module", params=MIXERS)
def network(request) -> DMoME:
    return small(request.param)


@pytest.fixture(scope="module")
def scripted(network) -> Prediction:
    return torch.jit.script(network)


@pytest.fixture(scope="module")
def traced(network) -> Prediction:
    return torch.jit.trace(network, torch.randn(1, 4, *SHAPE))


@pytest.fixture(scope="module")
def through_onnx(network) -> Prediction:
    return exported(network, torch.randn(1, 4, *SHAPE))


@SETS
def test_a_scripted_network_predicts_the_same_from_every_set(network, scripted, flags):
    presence, image = torch.tensor([flags]), torch.randn(1, 4, *SHAPE)
    torch.testing.assert_close(
        scripted(acquired(image, presence)), network(acquired(image, presence))
    )
    torch.testing.assert_close(
        scripted(acquired(image, presence, math.nan), presence), network(image, presence)
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["logits", "early fusion"])
def test_cases_of_a_scripted_batch_may_have_different_modalities(kind):
    network, image = with_unets(kind), torch.randn(2, 4, *SHAPE)
    predicted = torch.jit.script(network)(acquired(image, MIXED, math.nan), MIXED)
    torch.testing.assert_close(predicted, network(image, MIXED), atol=1e-4, rtol=1e-4)


def test_a_scripted_network_does_not_run_the_experts_of_modalities_that_no_case_has(tiny_network):
    class Refusing(nn.Module):
        def forward(self, channel: Tensor) -> Tensor:
            raise RuntimeError("an absent expert was run")

    tiny_network.experts["t1c"] = Refusing()
    scripted, image = torch.jit.script(tiny_network), torch.randn(2, 4, 64, 64, 64)
    absent = torch.tensor([[True, False, True, True], [False, False, True, False]])
    assert scripted(image, absent).isfinite().all()
    with pytest.raises(torch.jit.Error, match="an absent expert was run"):
        scripted(image, MIXED)


def test_a_scripted_network_refuses_a_batch_without_any_modality(scripted):
    with pytest.raises(torch.jit.Error, match="presence must have at least one modality"):
        scripted(torch.zeros(2, 4, *SHAPE))


def test_a_scripted_network_comes_back_from_disk_with_all_names_and_predictions(
    tiny_network, tmp_path
):
    torch.jit.script(tiny_network).save(tmp_path / "network.ts")
    loaded, image = torch.jit.load(tmp_path / "network.ts"), torch.randn(2, 4, 64, 64, 64)
    assert list(loaded.state_dict()) == list(tiny_network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image, MIXED), tiny_network(image, MIXED))


@pytest.mark.slow
@SETS
def test_one_trace_serves_every_set(network, traced, flags):
    image = acquired(torch.randn(1, 4, *SHAPE), torch.tensor([flags]))
    torch.testing.assert_close(traced(image), network(image))


@pytest.mark.slow
def test_a_trace_takes_other_presences_and_windows_than_it_was_made_with(tiny_network):
    trace = torch.jit.trace(
        tiny_network, (torch.randn(2, 4, 64, 64, 64), torch.ones(2, 4, dtype=torch.bool))
    )
    image = torch.randn(2, 4, 96, 64, 64)
    torch.testing.assert_close(
        trace(acquired(image, MIXED, math.nan), MIXED), tiny_network(image, MIXED)
    )


@pytest.mark.slow
@SETS
def test_one_onnx_file_serves_every_set(network, through_onnx, flags):
    image = acquired(torch.randn(1, 4, *SHAPE), torch.tensor([flags]))
    torch.testing.assert_close(through_onnx(image), network(image), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_presence_given_to_onnx_decides_and_not_the_voxels():
    network, image = with_unets(), torch.randn(2, 4, *SHAPE)
    onnx = exported(network, image, MIXED)
    image[0, 0] = 0  # a window of background, acquired all the same
    expected = network(image, MIXED)
    torch.testing.assert_close(
        onnx(acquired(image, MIXED, math.nan), MIXED), expected, atol=1e-4, rtol=1e-4
    )
    assert not torch.allclose(expected, network(image), atol=1e-2)


@pytest.mark.slow
def test_an_onnx_file_cannot_refuse_an_image_without_any_modality_and_gives_logits_of_0():
    onnx = exported(small("logits"), torch.randn(1, 4, *SHAPE))
    assert (onnx(torch.zeros(1, 4, *SHAPE)) == 0).all()
