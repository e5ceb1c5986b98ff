"""What was learnt about a network's probabilities on labelled cases; it lies beside the weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.files.json_file import write_json
from bundle.tasks.task import Task
from bundle.weights.beside import AUTO, FilesBeside

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
        chosen: value of the setting ``calibration``.
        checkpoint: the weights.
        weights_sha256: their checksum; None takes a calibration of any weights.
        task: of the network.

    Returns:
        None where there is none.

    Raises:
        SetupError: E_CALIBRATION, as ``FilesBeside.load``, or a region of the task is missing.
    """
    found = CALIBRATIONS.load(chosen, checkpoint, weights_sha256, task)
    if found is not None:
        missing = set(task.region_names) - (set(found.temperatures) & set(found.margins))
        if missing:
            path = CALIBRATIONS.path(checkpoint) if str(chosen) == AUTO else Path(chosen)
            raise CALIBRATIONS.error(
                path,
                f"must be of the task {task.name} and its regions; got none for"
                f" {', '.join(sorted(missing))}.",
            )
    return found


def calibration_sha256(
    calibration: Calibration | None, chosen: str | Path, checkpoint: Path | str
) -> str | None:
    """Return the checksum of the file of a calibration that was loaded; None for none."""
    return CALIBRATIONS.used_sha256(calibration, chosen, checkpoint)


def _parsed(content: Any) -> Calibration:
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
    return found


CALIBRATIONS = FilesBeside(
    what="calibration",
    ending=".calibration.json",
    command="simmlm calibrate",
    setting="calibration",
    code="E_CALIBRATION",
    parse=_parsed,
)
