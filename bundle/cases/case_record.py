"""What is known about a case besides its voxels, in a form that survives collation into
batches.
"""

import json
from dataclasses import dataclass
from typing import Any

from bundle.cases.prepared_exam import PreparedExam, grid_facts, grid_of_facts
from bundle.volumes.geometry import Grid


@dataclass(frozen=True)
class CaseRecord:
    """Facts that travel beside the image: as JSON text, because MONAI's loaders collate text
    without touching it.

    Attributes:
        case_id: name of the case.
        inputs: modality to file and SHA-256 of the bytes that were read, and of a 4D file the
            volume's position ``channel`` and their number ``n_channels``; acquired modalities only,
            in the order of the task.
        warnings: what was accepted although it is unusual.
        grid: where the voxels of every output must lie.
        missing: modalities of the task that were not acquired, in its order.
        prepared: how the exam became this case; None where nobody says.
    """

    case_id: str
    inputs: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]
    grid: Grid
    missing: tuple[str, ...] = ()
    prepared: PreparedExam | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Acquired modalities, in the order of the task."""
        return tuple(self.inputs)

    def to_json(self) -> str:
        """Write the record as text."""
        facts = {
            "case_id": self.case_id,
            "inputs": self.inputs,
            "warnings": self.warnings,
            "grid": grid_facts(self.grid),
            "missing": self.missing,
            "prepared": None if self.prepared is None else self.prepared.to_facts(),
        }
        return json.dumps(facts)

    @classmethod
    def from_json(cls, text: str) -> "CaseRecord":
        """Read a record that ``to_json`` wrote; floats come back bit-equal."""
        facts: dict[str, Any] = json.loads(text)
        prepared = facts["prepared"]
        return cls(
            case_id=facts["case_id"],
            inputs=facts["inputs"],
            warnings=tuple(facts["warnings"]),
            grid=grid_of_facts(facts["grid"]),
            missing=tuple(facts["missing"]),
            prepared=None if prepared is None else PreparedExam.from_facts(prepared),
        )
