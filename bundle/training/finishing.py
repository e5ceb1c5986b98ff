"""The last steps of a training."""

import logging
import shutil
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine
from torch import nn

from bundle.atomic_file import appearing_at_once
from bundle.errors import OutputError
from bundle.networks.checkpoints import export_weights, sidecar, verified_sha256
from bundle.training.processes import is_first_process
from bundle.training.time_limit import is_finished

LOGGER = logging.getLogger("simmlm")


def export_model(trainer: Engine, network: nn.Module, checkpoint: Path | str, path: Path | str) -> None:
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
    """Put trained weights where inference takes its weights from; those of before stay beside the trained ones.

    Args:
        trainer: nothing is replaced if it stopped before its last epoch.
        trained: weights with their SHA-256 beside them, see ``export_model``.
        used: what inference reads; its SHA-256 is replaced too.

    Raises:
        SetupError: the trained weights are missing or damaged.
        OutputError: a file cannot be written.
    """
    if not (is_finished(trainer) and is_first_process()):
        return
    new, old = Path(trained), Path(used)
    sha256 = verified_sha256(new)
    try:
        for name in (old.name, sidecar(old).name):
            shutil.copyfile(old.with_name(name), new.with_name(f"before-{name}"))
    except OSError as error:
        raise OutputError("E_WRITE", f"{new.parent} must be writable; got: {error.strerror}. Mend that.") from error
    with appearing_at_once(sidecar(old)) as file:
        file.write(f"{sha256}  {old.name}\n".encode("ascii"))
    with appearing_at_once(old) as file:
        file.write(new.read_bytes())
    LOGGER.info("%s has new weights; those of before are %s", old, new.with_name(f"before-{old.name}"))
