"""The JSON of a case: what came out, and how it came about."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import monai
import torch

from bundle import __version__
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.files.json_file import json_bytes
from bundle.outputs.case_output import CaseOutput
from bundle.outputs.case_result import CaseResult
from bundle.outputs.run_identity import RUN
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task

MAP_ENDING = ".nii.gz"
CONTRIBUTION = "share of the sum of the logits' magnitudes, sums to 1 over acquired modalities"


@dataclass(frozen=True, eq=False)
class FactsFile:
    """``CASE.json``, which lists the files of the other outputs.

    Attributes:
        task: of the network.
        numbering: of the label map on disk.
        others: outputs that are written before this one.
        weights_sha256: of the network's weights.
        settings: what else should stand there, for example window and overlap.
        run: `RunIdentity.sha256`; None where nobody told, and then no run takes the case for done.
    """

    task: Task
    numbering: Numbering
    others: Sequence[CaseOutput]
    weights_sha256: str
    settings: Mapping[str, Any]
    run: str | None = None

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the file."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the file."""
        return (f"{case_id}.json",)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the file.

        Raises:
            CaseError: E_NOT_FINITE, a fact is NaN or infinite, which JSON does not have.
        """
        (name,) = self.names(result.record)
        (folder / name).write_bytes(_to_json(self.facts(result), result.record.case_id))

    def facts(self, result: CaseResult) -> dict[str, Any]:
        """Return what the file holds."""
        record, seconds = result.record, result.computed_s
        names = [name for output in self.others for name in output.names(record)]
        return {
            **result.facts,
            "labels": label_facts(self.task, self.numbering),
            "maps": _sorted_maps(names),
            "companions": [name for name in names if not name.endswith(MAP_ENDING)],
            "opened_first": list(self.task.opened_first),
            "units": {
                "volumes": "ml",
                "entropy": "bit",
                "weights": "share, sums to 1 over acquired modalities",
                **({"contributions": CONTRIBUTION} if result.contributions is not None else {}),
            },
            **self._deciding(result),
            "inputs": record.inputs,
            "prepared": None if record.prepared is None else record.prepared.summary(),
            "weights_sha256": self.weights_sha256,
            RUN: self.run,
            "settings": dict(self.settings),
            "seconds": {} if seconds is None else {"reading_to_maps": round(seconds, 3)},
            "versions": {
                "simmlm": __version__,
                "monai": monai.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "intended_use": "research only, not for diagnosis",
        }

    def _deciding(self, result: CaseResult) -> dict[str, Any]:
        """Name the numbers of the map of modalities that decided, if there is one."""
        if result.decided_by is None:
            return {}
        return {"decided_by": {str(1 + m): name for m, name in enumerate(self.task.modality_names)}}


def label_facts(task: Task, numbering: Numbering) -> dict[str, Any]:
    """Return what a result says of its label map: the numbering, and what its values mean."""
    names = task.label_names
    values = {str(disk): names[here] for disk, here in numbering.table.items()}
    return {"convention": numbering.name, "values": values}


def _sorted_maps(names: Iterable[str]) -> list[str]:
    maps = [name for name in names if name.endswith(MAP_ENDING)]
    return sorted(maps, key=lambda name: name.removesuffix(MAP_ENDING))


def _to_json(facts: Mapping[str, Any], case_id: str) -> bytes:
    """Return facts as JSON; a name that is not UTF-8 keeps its bytes as an escape."""
    try:
        return json_bytes(facts)
    except ValueError as error:
        raise CaseError(
            "E_NOT_FINITE",
            f"Case {case_id}: every fact of the result must be a number; got {error}. Look at the"
            " intensities of the images.",
        ) from None
