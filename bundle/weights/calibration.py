"""What was learnt about a network's probabilities on labelled cases; it lies beside the weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.errors import SetupError
from bundle.files.json_file import read_json, write_json
from bundle.tasks.task import Task
from bundle.weights.beside import AUTO, chosen_file, used_sha256

ENDING = ".calibration.json"
_WAY_OUT = "Run simmlm calibrate with these weights, or set calibration=none."

PerSize = Mapping[str, float | None]
"""Number of modalities, as JSON has keys, to a value."""


@dataclass(frozen=True)
class Calibration:
    """Temperatures of the logits, and how far volumes may be off.

    Attributes:
        weights_sha256: of the weights that were judged.
        task: its name.
        n_cases: labelled cases that it was fitted on.
        temperatures: region to number of modalities to what the region's logits are divided by.
        margins: region to number of modalities to a logit, after division: a voxel further from 0
            does not count as doubtful in the interval of the region's volume. None where that many
            cases cannot tell.
        level: share of cases whose true volume lies in its interval.
        gains: modality set to missing modality to region to what acquiring it changed the Dice by,
            see ``statistics.gains``.
        measured: errors and coverage, see ``statistics.calibration_fit``.
        settings: of the run that judged.
    """

    weights_sha256: str
    task: str
    n_cases: int
    temperatures: Mapping[str, PerSize]
    margins: Mapping[str, PerSize]
    level: float
    gains: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def scaled(self, logits: Tensor, n_modalities: int, task: Task) -> Tensor:
        """Divide the logits (R, ...) of a case of so many modalities by their temperatures."""
        divisors = [
            self.temperatures[region].get(str(n_modalities)) or 1.0 for region in task.region_names
        ]
        shape = (-1, *[1] * (logits.dim() - 1))
        return logits / torch.tensor(divisors, dtype=logits.dtype).to(logits.device).reshape(shape)

    def limits(self, n_modalities: int, task: Task) -> dict[str, float]:
        """Return the probability above which a voxel is surely in a region, of those regions of
        which it is known; below 1 minus that it is surely not.
        """
        margins = {
            region: self.margins[region].get(str(n_modalities)) for region in task.region_names
        }
        return {
            region: 1 / (1 + math.exp(-margin))
            for region, margin in margins.items()
            if margin is not None
        }

    def gains_from(self, modalities: Sequence[str]) -> dict[str, Any]:
        """Return, for each modality that a case of these lacks, what acquiring it changed in the
        cases that were judged; empty where nobody knows.
        """
        return dict(self.gains.get("+".join(modalities), {}))

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(path, asdict(self))


def load_calibration(
    chosen: str | Path, checkpoint: Path | str, weights_sha256: str | None, task: Task
) -> Calibration | None:
    """Load the calibration of weights.

    Args:
        chosen: ``none``; ``auto``, what lies beside the weights, if it is theirs; or a file.
        checkpoint: the weights.
        weights_sha256: their checksum; None takes a calibration of any weights.
        task: of the network.

    Returns:
        None where there is none.

    Raises:
        SetupError: E_CALIBRATION, a file is missing, unreadable, or of other weights or another
            task.
    """
    path = chosen_file(chosen, checkpoint, ENDING)
    if path is None:
        return None
    found = _read(path)
    if weights_sha256 not in (None, found.weights_sha256):
        if str(chosen) == AUTO:  # newer weights were put in the place of those that it is of
            return None
        raise SetupError(
            "E_CALIBRATION",
            f"The calibration {path} must be of the weights {checkpoint}; it is of others, with the"
            f" SHA-256 {found.weights_sha256[:12]}... {_WAY_OUT}",
        )
    _check_task(found, path, task)
    return found


def calibration_sha256(
    calibration: Calibration | None, chosen: str | Path, checkpoint: Path | str
) -> str | None:
    """Return the checksum of the file of a calibration that was loaded; None for none."""
    return used_sha256(calibration, chosen, checkpoint, ENDING)


def _read(path: Path) -> Calibration:
    if not path.is_file():
        raise SetupError("E_CALIBRATION", f"There is no calibration {path}. {_WAY_OUT}")
    content = read_json(path)
    try:
        found = Calibration(**content)
        numbers = [
            value
            for table in (found.temperatures, found.margins)
            for of_sizes in table.values()
            for value in of_sizes.values()
            if value is not None
        ]
        if not all(math.isfinite(value) and value >= 0 for value in numbers):
            raise ValueError("a number below 0")
    except (TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, str(error)) from None
    return found


def _unreadable(path: Path, reason: str) -> SetupError:
    return SetupError(
        "E_CALIBRATION",
        f"The calibration {path} must be a file of simmlm calibrate; got {reason}. {_WAY_OUT}",
    )


def _check_task(found: Calibration, path: Path, task: Task) -> None:
    regions = set(task.region_names)
    if found.task == task.name and regions <= set(found.temperatures) & set(found.margins):
        return
    raise SetupError(
        "E_CALIBRATION",
        f"The calibration {path} must be of the task {task.name} and its regions; got one of"
        f" {found.task}. {_WAY_OUT}",
    )
