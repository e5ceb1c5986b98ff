"""The last step of a training."""

from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine
from torch import nn

from bundle.networks.checkpoints import export_weights
from bundle.training.processes import is_first_process
from bundle.training.time_limit import is_finished


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
