"""How many workers a cluster has room for, and what each may take of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bundle.errors import SetupError

MOST_CPUS = 4
"""Of a worker if nobody says how many there should be: more processors than these make a case
little faster, more cases at once do.
"""


@dataclass(frozen=True)
class Machine:
    """What a machine of the cluster has."""

    n_cpus: int
    n_gpus: int = 0


@dataclass(frozen=True)
class Layout:
    """Workers of one kind.

    Attributes:
        n_workers: at least 1.
        n_cpus: of each.
        n_gpus: of each, 0 or 1.
    """

    n_workers: int
    n_cpus: int
    n_gpus: int = 0


def choose_layout(machines: Sequence[Machine], n_workers: int | None, device_name: str) -> Layout:
    """Divide a cluster among workers.

    Where there are GPUs each worker has one, and machines without stay idle: results of GPUs and
    CPUs differ in their last digits.

    Args:
        machines: of the cluster.
        n_workers: as asked for; None for as many as there is room for.
        device_name: ``auto``, ``cpu``, or a GPU.

    Raises:
        SetupError: E_CLUSTER, there is no room.
    """
    with_gpus = [machine for machine in machines if machine.n_gpus > 0 and machine.n_cpus > 0]
    if device_name != "cpu" and (with_gpus or device_name != "auto"):
        return _on_gpus(with_gpus, n_workers)
    return _on_cpus([machine.n_cpus for machine in machines if machine.n_cpus > 0], n_workers)


def _on_gpus(machines: Sequence[Machine], n_workers: int | None) -> Layout:
    # Where processors are fewer than GPUs, they are what there is room for.
    room = sum(min(machine.n_gpus, machine.n_cpus) for machine in machines)
    _check_room("GPU", room, n_workers)
    each = min(max(1, machine.n_cpus // machine.n_gpus) for machine in machines)
    return Layout(n_workers or room, each, 1)


def _on_cpus(cpus: Sequence[int], n_workers: int | None) -> Layout:
    _check_room("CPU", sum(cpus), n_workers)
    if n_workers is None:
        each = min(MOST_CPUS, *cpus)
        return Layout(_room(cpus, each), each)
    fitting = (each for each in range(max(cpus), 0, -1) if _room(cpus, each) >= n_workers)
    return Layout(n_workers, next(fitting))


def _room(cpus: Sequence[int], each: int) -> int:
    return sum(n_cpus // each for n_cpus in cpus)


def _check_room(kind: str, room: int, n_workers: int | None) -> None:
    wanted = n_workers or 1
    if room < wanted:
        raise SetupError(
            "E_CLUSTER",
            f"The cluster must have a {kind} for each worker; got {room} for {wanted}. Choose fewer"
            " --workers or another --device, or add machines.",
        )
