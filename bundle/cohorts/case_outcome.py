"""What became of a case: one row of ``cases.csv``, one line for people."""

import logging
from dataclasses import dataclass
from typing import Any

from bundle.outputs.run_files import FAILED, FIRST_COLUMNS, SKIPPED
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")

PREPARED = ("reference", "brain_by")
"""What is told of a case that was prepared and no more."""


@dataclass(frozen=True)
class CaseOutcome:
    """What became of a case.

    Attributes:
        case_id: name of the case.
        status: ``OK``, ``FAILED``, ``SKIPPED`` or ``LEFT``.
        reason: why it is not ``OK``, of a case that failed after the code of the error.
        result: plain JSON facts of a case that is done.
        ends_run: nothing more can be written, so that no other case could do better.
    """

    case_id: str
    status: str
    reason: str = ""
    result: dict[str, Any] | None = None
    ends_run: bool = False

    @property
    def warnings(self) -> list[str]:
        """What was accepted although it is unusual."""
        return [str(text) for text in (self.result or {}).get("warnings", ())]

    def row(self) -> dict[str, Any]:
        """Return the row; a case that is not done has no modalities, warnings, volumes or Dice."""
        row: dict[str, Any] = {
            "case_id": printable(self.case_id),
            "status": self.status,
            "reason": self.reason,
        }
        if self.result is not None:
            row["modalities"] = " ".join(self.result["modalities"])
            row["warnings"] = len(self.warnings)
            row |= {name: self.result[name] for name in PREPARED if name in self.result}
            for name, volume in self.result.get("volumes_ml", {}).items():
                row[_volume_column(name)] = volume
            for region, dice in self.result.get("dice", {}).items():
                row[_dice_column(region)] = dice
        return row


def segmentation_columns(task: Task = DEFAULT_TASK) -> tuple[str, ...]:
    """Name the columns of ``cases.csv`` where cases are segmented."""
    volumes = [_volume_column(label.name) for label in task.labels]
    return (*FIRST_COLUMNS, "modalities", "warnings", *volumes)


def preparation_columns() -> tuple[str, ...]:
    """Name the columns of ``cases.csv`` where cases are prepared and no more."""
    return (*FIRST_COLUMNS, "modalities", "warnings", *PREPARED)


def judged_columns(task: Task = DEFAULT_TASK) -> tuple[str, ...]:
    """Name the columns of ``cases.csv`` where cases are judged instead of segmented."""
    return (*FIRST_COLUMNS, "modalities", "warnings", *map(_dice_column, task.region_names))


def describe(outcome: CaseOutcome, task: Task = DEFAULT_TASK) -> str:
    """Say in one line what became of a case."""
    case_id = printable(outcome.case_id)
    if outcome.result is None:
        return f"{case_id}: {outcome.status}: {printable(outcome.reason, keep_lines=True)}"
    done = f"{case_id}: {outcome.status}, {' '.join(outcome.result['modalities'])}"
    if "dice" in outcome.result:
        dice = [f"{region} {value:.2f}" for region, value in outcome.result["dice"].items()]
        return f"{done}, Dice {' '.join(dice)}"
    if "volumes_ml" not in outcome.result:
        brain = outcome.result["brain_by"]
        return f"{done}, on {outcome.result['reference']}{f', brain by {brain}' if brain else ''}"
    return f"{done}, {task.finding} {sum(outcome.result['volumes_ml'].values()):.1f} ml"


def describe_warnings(outcome: CaseOutcome) -> list[str]:
    """Say in one line each what was accepted of a case although it is unusual."""
    return [
        f"{printable(outcome.case_id)}: warning: {printable(text)}" for text in outcome.warnings
    ]


def log_outcome(outcome: CaseOutcome, task: Task = DEFAULT_TASK) -> None:
    """Log one line per case, and one per warning."""
    level = logging.ERROR if outcome.status == FAILED else logging.INFO
    LOGGER.log(level, "%s", describe(outcome, task))
    if outcome.status != SKIPPED:  # the run that segmented it said them
        for line in describe_warnings(outcome):
            LOGGER.warning("%s", line)


def _volume_column(label: str) -> str:
    return f"{label.replace(' ', '_')}_ml"


def _dice_column(region: str) -> str:
    return f"dice_{region}"
