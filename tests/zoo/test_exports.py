"""What MONAI exports from the packed bundle predicts what the Python network predicts, from every
modality set.
"""

import json
from pathlib import Path

import pytest
import torch
from monai.data import load_net_with_metadata

from tests.zoo.conftest import Machine, Window

pytestmark = pytest.mark.slow


def export(machine: Machine, command: str, file: Path, **options: object) -> None:
    machine.monai(
        command,
        cwd=file.parent,
        net_id="network_def",
        filepath=file,
        ckpt_file=machine.bundle / "models" / "model.pt",
        meta_file=machine.bundle / "configs" / "metadata.json",
        config_file=machine.bundle / "configs" / "inference.json",
        bundle_root=machine.bundle,
        **options,
    )


@pytest.fixture(scope="module")
def torchscript(machine, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("torchscript") / "model.ts"
    export(machine, "ckpt_export", file)
    return file


def test_the_torchscript_file_predicts_as_the_network_from_every_set(torchscript, window: Window):
    network = torch.jit.load(torchscript)
    with torch.inference_mode():
        for image, logits in zip(window.images, window.logits, strict=True):
            torch.testing.assert_close(network(image), logits, atol=1e-3, rtol=1e-3)


def test_the_torchscript_file_carries_the_metadata_and_the_inference_config(machine, torchscript):
    _, metadata, others = load_net_with_metadata(
        str(torchscript), more_extra_files=("inference.json",)
    )
    configs = machine.bundle / "configs"
    assert metadata == json.loads((configs / "metadata.json").read_text(encoding="utf-8"))
    assert json.loads(others["inference.json"]) == json.loads(
        (configs / "inference.json").read_text(encoding="utf-8")
    )


def test_the_onnx_file_predicts_as_the_network_from_every_set(machine, window: Window, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export(machine, "onnx_export", tmp_path / "model.onnx", input_shape="[1,4,64,64,64]")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (given,) = session.get_inputs()
    for image, logits in zip(window.images, window.logits, strict=True):
        found = torch.from_numpy(session.run(None, {given.name: image.numpy()})[0])
        torch.testing.assert_close(found, logits, atol=1e-3, rtol=1e-3)
