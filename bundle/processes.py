"""Training in several processes: every process sees other cases, all take the same step."""

import os
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch import Tensor, nn
from torch.utils.data import Sampler

from bundle.devices import choose_device
from bundle.errors import UsageError
from bundle.files.folder_owner import sole_owner

_ENTERED: set[Path] = set()


class AverageGradients:
    """Average the gradients of all processes before the step; does nothing in a single process.

    ``DistributedDataParallel`` cannot do this here: it wraps ``forward`` alone, while a training
    step runs the experts once and the gate twice, and it would give absent experts a gradient of
    zero. Here a part that no process has trained in this step keeps no gradient, so that the
    optimizer leaves it as it is.

    Attach it before what reads gradients.

    Args:
        parts: modules that are trained or not trained as a whole, such as the experts and the gate.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        self.parts = tuple(parts)

    def attach(self, engine: Engine) -> None:
        """Start all processes from the weights of the first, then act after every backward pass."""
        if idist.get_world_size() > 1:
            engine.add_event_handler(Events.STARTED, self._broadcast)
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._average)

    def _broadcast(self) -> None:
        for parameter in self._parameters():
            torch.distributed.broadcast(parameter.data, src=0)

    def _average(self) -> None:
        trained = [float(_has_gradients(part)) for part in self.parts]
        flags = idist.all_reduce(torch.tensor(trained, device=idist.device()), op="MAX")
        assert isinstance(flags, Tensor)
        for part, flag in zip(self.parts, flags.tolist(), strict=True):
            if flag:
                self._average_part(part)

    def _average_part(self, part: nn.Module) -> None:
        parameters = [parameter for parameter in part.parameters() if parameter.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(together)
        together /= idist.get_world_size()
        means = torch.split(together, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _parameters(self) -> list[Tensor]:
        return [parameter for part in self.parts for parameter in part.parameters()]


class ShareSampler(Sampler[int]):
    """Return each process its share of the cases, every case once: repeated ones would count twice
    in a score.

    Raises:
        UsageError: there are more processes than cases.
    """

    def __init__(self, dataset: Sized) -> None:
        if len(dataset) < idist.get_world_size():
            raise UsageError(
                "E_SPLIT",
                f"Each of the {idist.get_world_size()} processes must have a case to validate; got"
                f" {len(dataset)}. Raise validation_share.",
            )
        self.indices = range(idist.get_rank(), len(dataset), idist.get_world_size())

    def __iter__(self) -> Iterator[int]:
        """Go through the share in order."""
        return iter(self.indices)

    def __len__(self) -> int:
        """Count the cases of the share."""
        return len(self.indices)


def is_first_process() -> bool:
    """Whether this process is the one that writes files and reports."""
    return bool(idist.get_rank() == 0)


@contextmanager
def only_training(out: Path) -> Iterator[None]:
    """Keep other trainings out of a folder.

    All processes of one training count as one, and its first holds the lock.

    A process that is in the folder already enters again without a lock of its own.

    Args:
        out: exists.

    Raises:
        OutputError: E_BUSY, another training is there.
    """
    folder = out.resolve()
    # The rank as torchrun gives it, because the processes may not have joined yet.
    if folder in _ENTERED or (is_launched() and os.environ.get("RANK", "0") != "0"):
        yield
        return
    with sole_owner(folder):
        _ENTERED.add(folder)
        try:
            yield
        finally:
            _ENTERED.discard(folder)


def process_device(name: str) -> torch.device:
    """Return the device of this process, as ``torchrun`` numbers them: ``auto`` and ``cuda`` are
    one GPU each.
    """
    device = choose_device(name)
    if device.type != "cuda":
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def start_processes(device: torch.device) -> None:
    """Join the other processes that ``torchrun`` has started.

    Does nothing without it, or a second time.
    """
    if is_launched() and not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        idist.sync()


def stop_processes() -> None:
    """Leave the other processes."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def is_launched() -> bool:
    """Whether ``torchrun`` has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _has_gradients(part: nn.Module) -> bool:
    return any(parameter.grad is not None for parameter in part.parameters())
