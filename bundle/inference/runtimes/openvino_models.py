"""What is asked of OpenVINO: convert a network, compile it for one shape, run it.

OpenVINO is imported where it is used, since it need not be installed, and takes a while.
"""

import sys
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bundle.files.staged_folder import temporary_folder
from bundle.inference.runtimes.expert_cache import ConvertedExpert

_REPORTER = "openvino_telemetry"


def import_openvino() -> Any:
    """Return the module, without the part of it that reports its use to its makers.

    Raises:
        ImportError: it is not installed, or broken.
    """
    # Else importing it would send an event to a server of statistics.
    is_free = _REPORTER not in sys.modules
    if is_free:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]
    try:
        openvino = import_module("openvino")
        import_module("openvino.tools.ovc")
    finally:
        if is_free:
            del sys.modules[_REPORTER]
    return openvino


@cache
def _core() -> Any:
    """Return OpenVINO's core, the only one of the process and never given back.

    On CPUs with AMX each core gives its thread a stack for signals. Of several, the first that is
    given back frees a stack that the last one puts in place again, and the next signal, such as
    that of a worker that ends, kills the process (OpenVINO 2026.4).
    """
    return import_openvino().Core()


def version_and_cpu() -> tuple[str, str]:
    """Return the version of OpenVINO and what it says of this CPU.

    Raises:
        ImportError: OpenVINO is not installed.
        RuntimeError: its plugin for CPUs is missing.
    """
    openvino, core = import_openvino(), _core()
    abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return openvino.get_version(), f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {abilities}"


def convert(network: nn.Module, example: Tensor) -> ConvertedExpert:
    """Convert a network that takes one tensor and returns one, of any size.

    Args:
        network: in evaluation mode.
        example: (B, C, ...), an input.

    Raises:
        Exception: whatever torch or OpenVINO cannot do.
    """
    openvino = import_openvino()
    frontends = import_module("openvino.frontend")
    pytorch = import_module("openvino.frontend.pytorch.ts_decoder")

    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, example.clone(), check_trace=False)  # type: ignore[no-untyped-call]
        frontend = frontends.FrontEndManager().load_by_framework("pytorch")
        decoder = pytorch.TorchScriptPythonDecoder(traced)  # must outlive the conversion
        model = frontend.convert(frontend.load(decoder))
    model.reshape([-1, example.shape[1], *(-1 for _ in example.shape[2:])])
    _use_exact_statistics(openvino, model)
    with temporary_folder() as folder:
        path = folder / "expert.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return ConvertedExpert(path.read_bytes(), Path(path.with_suffix(".bin")).read_bytes())


class CompiledExpert:
    """A converted expert in float32, ready for inputs of one shape.

    Args:
        converted: the expert.
        shape: (B, C, ...) of the inputs.
        n_threads: that compute.
    """

    def __init__(self, converted: ConvertedExpert, shape: Sequence[int], n_threads: int) -> None:
        core = _core()
        model = core.read_model(converted.graph, converted.weights)
        model.reshape(list(shape))
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": n_threads,
            "NUM_STREAMS": 1,
            # Else the workers of a cohort would all be bound to the same first cores.
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = core.compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def __call__(self, values: Tensor) -> Tensor:
        """Run the expert on float32 values of its shape on the CPU; the result is the caller's."""
        inputs = [values.detach().contiguous().numpy()]
        (said,) = self._request.infer(inputs, share_inputs=True).values()
        return torch.from_numpy(np.asarray(said, dtype=np.float32))

    def release_memory(self) -> None:
        """Give back the memory of the feature maps, until the next call."""
        self._compiled.release_memory()


def _use_exact_statistics(openvino: Any, model: Any) -> None:
    """Replace the normalisation of volumes by one that sums axis by axis.

    OpenVINO 2026.4 adds up all voxels of a channel one after the other in float32. In windows with
    much air rounding then goes one way, and logits differ from torch's by up to 0.15; axis by axis
    they differ by 2e-5, as torch's do from those in double precision. The first axis goes first:
    across the rows in memory that takes a third of the time that it takes along them.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MVN" and node.get_output_partial_shape(0).rank == 5:
            _replace_normalisation(openvino.opset13, node)
    model.validate_nodes_and_infer_types()


def _replace_normalisation(ops: Any, node: Any) -> None:
    values, eps = node.input_value(0), node.get_attributes()["eps"]
    length = ops.convert(
        ops.gather(ops.shape_of(values), _integers(ops, [2]), _integers(ops, 0)), "f32"
    )
    norm = ops.reduce_l2(values, _integers(ops, [2]), True)
    mean = _mean_of_lines(ops, ops.reduce_mean(values, _integers(ops, [2]), True))
    squares = ops.divide(_mean_of_lines(ops, ops.multiply(norm, norm)), length)
    variance = ops.maximum(ops.subtract(squares, ops.multiply(mean, mean)), _number(ops, 0.0))
    scale = ops.divide(_number(ops, 1.0), ops.sqrt(ops.add(variance, _number(ops, eps))))
    shifted = ops.subtract(ops.multiply(values, scale), ops.multiply(mean, scale))
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(shifted.output(0))


def _mean_of_lines(ops: Any, lines: Any) -> Any:
    """Average (B, C, 1, W, D) to (B, C, 1, 1, 1).

    A sum in one axis and a mean in the other: two of a kind would become one over both axes again.
    """
    total = ops.reduce_sum(lines, _integers(ops, [3]), True)
    n_lines = ops.convert(
        ops.gather(ops.shape_of(lines), _integers(ops, [3]), _integers(ops, 0)), "f32"
    )
    return ops.divide(ops.reduce_mean(total, _integers(ops, [4]), True), n_lines)


def _integers(ops: Any, values: int | list[int]) -> Any:
    return ops.constant(np.array(values, dtype=np.int64))


def _number(ops: Any, value: float) -> Any:
    return ops.constant(np.array(value, dtype=np.float32))
