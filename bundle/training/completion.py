"""The last steps of a training."""

import logging
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine
from torch import nn

from bundle.errors import SetupError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.hashes import sha256_of
from bundle.processes import is_first_process
from bundle.training.time_limit import is_finished
from bundle.weights.checkpoints import (
    export_weights,
    sidecar,
    verified_sha256,
    write_with_checksum,
)

LOGGER = logging.getLogger("simmlm")


def export_model(
    trainer: Engine, network: nn.Module, checkpoint: Path | str, path: Path | str
) -> None:
    """Store the best weights for inference, once, however many processes trained them.

    Args:
        trainer: nothing is stored if it stopped before its last epoch.
        network: the architecture.
        checkpoint: the best weights.
        path: of the half-precision copy; its SHA-256 goes beside it.

    Raises:
        SetupError: the checkpoint is missing or of another network.
        OutputError: the weights cannot be written.
    """
    if is_finished(trainer) and is_first_process():
        export_weights(network, checkpoint, path)
    idist.barrier()


def replace_weights(trainer: Engine, trained: Path | str, used: Path | str) -> None:
    """Put trained weights where inference takes its weights from.

    Those of before stay beside the trained ones.

    Args:
        trainer: nothing is replaced if it stopped before its last epoch.
        trained: weights with their SHA-256 beside them, see ``export_model``.
        used: what inference reads; its SHA-256 is replaced too.

    Raises:
        SetupError: the trained weights, or those in use, are missing or damaged.
        OutputError: a file cannot be written.
    """
    if not (is_finished(trainer) and is_first_process()):
        return
    new, old = Path(trained), Path(used)
    content = _verified(new)
    for name in (old.name, sidecar(old).name):
        with appearing_at_once(new.with_name(f"before-{name}")) as file:
            file.write(_bytes_of(old.with_name(name)))
    write_with_checksum(content, old)
    LOGGER.info(
        "%s has new weights; those of before are %s", old, new.with_name(f"before-{old.name}")
    )


def _verified(weights: Path) -> bytes:
    sha256, content = verified_sha256(weights), _bytes_of(weights)
    if sha256_of(content) != sha256:
        raise SetupError(
            "E_WEIGHTS_CHECKSUM", f"{weights} must not change while it is read; it did. Run again."
        )
    return content


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(
            "E_WEIGHTS", f"{path} must be readable; got: {error.strerror}. Mend that."
        ) from error
