"""Which cases of a cohort an earlier run has done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.datasets.case_files import case_files
from bundle.errors import CaseError
from bundle.names.case_ids import is_case_id
from bundle.outputs.bids.case_tree import CaseTree
from bundle.outputs.finished_results import finished_result
from bundle.outputs.run_identity import RunIdentity
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


class FinishedCases:
    """Finds the results that a run would give again.

    A case is done if its JSON stands, names this version, these weights and settings and the bytes
    of its images, and the files are there that it names.

    Args:
        output_dir: ``OUT``.
        run: the identity of the run.
        task: of the network.
        tree: of the BIDS data set in which each result must be too; None for none.
    """

    def __init__(
        self,
        output_dir: Path | str,
        run: RunIdentity,
        *,
        task: Task = DEFAULT_TASK,
        tree: CaseTree | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.run, self.task, self.tree = run.sha256, task, tree

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the facts of the result of a case; None if it must be run."""
        case_id = str(case["case_id"])
        if not is_case_id(case_id) or not (self.output_dir / case_id).is_dir():
            return None
        try:
            files = case_files(case, task=self.task)
        except CaseError:  # which it will fail with
            return None
        facts = finished_result(self.output_dir / case_id, case_id, files, self.run)
        if facts is not None and self.tree is not None and not self.tree.has(case_id):
            return None
        return facts
