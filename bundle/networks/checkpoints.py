"""Weights on disk: plain state dicts, checked before they are used."""

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from bundle.errors import OutputError, SetupError
from bundle.networks.dmome import DMoME

Network = TypeVar("Network", bound=nn.Module)


def load_verified(network: Network, path: Path | str) -> Network:
    """Load weights whose SHA-256 stands in a file beside them, and switch the network to evaluation.

    Args:
        network: receives the weights; every name and shape must match.
        path: a state dict; ``path`` + ``.sha256`` holds the checksum in the format of ``sha256sum``.

    Raises:
        SetupError: a file is missing, the checksum differs, or the weights are of another network.
    """
    file = Path(path)
    actual, expected = file_sha256(file), _expected_sha256(file)
    if actual != expected:
        raise SetupError(
            "E_WEIGHTS_CHECKSUM",
            f"The weights {file} must have the SHA-256 {expected}; got {actual}. Fetch the file again; do not use it.",
        )
    return _load_into(network, file).eval()


def load_experts(network: DMoME, path: Path | str) -> DMoME:
    """Take the experts of a stage-1 checkpoint, each under the name of its modality; gate and mixer stay as they are.

    Raises:
        SetupError: the file is missing or holds other experts.
    """
    file = Path(path)
    if not file.is_file():
        raise SetupError(
            "E_EXPERTS",
            f"Stage 2 must start from trained experts; got no file {file}. Run stage 1 with this output first.",
        )
    return _load_into(network, file, prefix="experts.")


def export_weights(network: nn.Module, checkpoint: Path | str, path: Path | str) -> None:
    """Store a checkpoint in half precision with its checksum, ready for ``load_verified``.

    Args:
        network: the architecture that the checkpoint must fit.
        checkpoint: a state dict.
        path: where the weights go; ``path`` + ``.sha256`` is written too.

    Raises:
        SetupError: the checkpoint is missing or of another network.
        OutputError: the weights cannot be written.
    """
    state = _halved(_load_into(network, Path(checkpoint)).state_dict())
    target = Path(path)
    sidecar = _sidecar(target)
    temporary, checksum = (file.with_name(f".{file.name}.{os.getpid()}") for file in (target, sidecar))
    try:
        torch.save(state, temporary)
        checksum.write_text(f"{file_sha256(temporary)}  {target.name}\n", encoding="ascii")
        checksum.replace(sidecar)
        temporary.replace(target)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        checksum.unlink(missing_ok=True)
        raise OutputError(
            "E_WRITE", f"The weights {target} must be writable; got: {error}. Choose another folder."
        ) from None


def file_sha256(path: Path | str) -> str:
    """Give the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        SetupError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SetupError("E_WEIGHTS", f"The weights {path} must be readable; got: {error.strerror}.") from None


def _sidecar(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _expected_sha256(file: Path) -> str:
    sidecar = _sidecar(file)
    try:
        return sidecar.read_text(encoding="ascii").split()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        raise SetupError(
            "E_WEIGHTS_CHECKSUM", f"The checksum {sidecar} must stand beside the weights; it is missing or empty."
        ) from None


def _load_into(network: Network, file: Path, prefix: str = "") -> Network:
    """Load the weights whose names start with ``prefix``; all of these must be in the file, and no others."""
    state = {name: value for name, value in _read(file).items() if name.startswith(prefix)}
    _check_names(set(state), {name for name in network.state_dict() if name.startswith(prefix)}, file)
    try:
        network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise SetupError("E_WEIGHTS", f"The weights {file} must fit the configured network; {error}") from None
    return network


def _read(file: Path) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is not a checkpoint
        raise SetupError("E_WEIGHTS", f"The weights {file} must be a PyTorch state dict; got: {error}") from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise SetupError("E_WEIGHTS", f"The weights {file} must be a PyTorch state dict; got {type(state).__name__}.")
    return state


def _check_names(found: set[str], wanted: set[str], file: Path) -> None:
    if found != wanted:
        example = sorted(found ^ wanted)[0]
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {file} must fit the configured network; got {len(found ^ wanted)} differing names, "
            f"for example {example}. Use the configuration that they were trained with.",
        )


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert to half precision on the CPU; a tensor of two names (DynUNet's skip layers) is stored once."""
    converted: dict[int, Tensor] = {}
    for value in state.values():
        half = value.half() if value.is_floating_point() else value
        converted.setdefault(value.data_ptr(), half.cpu())
    return {name: converted[value.data_ptr()] for name, value in state.items()}
