"""What is known about a case besides its voxels, in a form that survives collation into
batches.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bundle.volumes.geometry import Grid, HeaderGeometry


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
    """

    case_id: str
    inputs: dict[str, dict[str, Any]]
    warnings: tuple[str, ...]
    grid: Grid
    missing: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        """Acquired modalities, in the order of the task."""
        return tuple(self.inputs)

    def to_json(self) -> str:
        """Write the record as text."""
        grid = {
            "shape": self.grid.shape,
            "affine": self.grid.affine.tolist(),
            "header": asdict(self.grid.header),
        }
        facts = {
            "case_id": self.case_id,
            "inputs": self.inputs,
            "warnings": self.warnings,
            "grid": grid,
            "missing": self.missing,
        }
        return json.dumps(facts)

    @classmethod
    def from_json(cls, text: str) -> "CaseRecord":
        """Read a record that ``to_json`` wrote; floats come back bit-equal."""
        facts: dict[str, Any] = json.loads(text)
        stored = facts["grid"]
        header = HeaderGeometry(
            **{name: _tuples(value) for name, value in stored["header"].items()}
        )
        grid = Grid(_tuples(stored["shape"]), np.array(stored["affine"], np.float64), header)
        warnings, missing = tuple(facts["warnings"]), tuple(facts["missing"])
        return cls(facts["case_id"], facts["inputs"], warnings, grid, missing)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
