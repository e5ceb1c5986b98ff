"""What tells the results of one run from those of another: version, weights, task, settings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bundle import __version__
from bundle.files.hashes import sha256_of_facts
from bundle.tasks.task import Task

RUN = "run"
"""Key of a result's JSON under which the identity of its run stands."""

_SAME_RESULTS = frozenset(
    {
        "task_name",  # what it declares counts, wherever it stands
        "checkpoint",  # likewise
        "dataset_dir",
        "patterns",
        "output_dir",
        "device_name",
        "sw_batch_size",
        "overwrite",
        "maps_dir",
        "default_maps",
        "again",
        "case_timeout_s",
        "retries",
        "stop_after_failures",
        "shard",
    }
)
"""Settings that say where and how cases are run, but not what comes out."""


@dataclass(frozen=True)
class RunIdentity:
    """What two runs must share so that one may keep a result of the other.

    Attributes:
        weights_sha256: of the network's weights.
        task_sha256: of all that the task declares.
        task: its name.
        settings: those that change what comes out, plain values.
    """

    weights_sha256: str
    task_sha256: str
    task: str
    settings: Mapping[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """Plain JSON facts of all of it, with the version of this program."""
        return {"version": __version__, **asdict(self)}

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits that say it all."""
        return sha256_of_facts(self.facts)


def run_identity(weights_sha256: str, settings: Mapping[str, Any], task: Task) -> RunIdentity:
    """Tell the identity of a run.

    Args:
        weights_sha256: of the network's weights.
        settings: all settings of the config; those that change no result are left out.
        task: of the network.
    """
    chosen = {
        name: value if isinstance(value, str | int | float | list | None) else str(value)
        for name, value in sorted(settings.items())
        if name not in _SAME_RESULTS
    }
    return RunIdentity(weights_sha256, sha256_of_facts(asdict(task)), task.name, chosen)
