"""The report of a case beside its maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.files.atomic_file import appearing_at_once
from bundle.outputs.case_result import CaseResult
from bundle.outputs.facts_file import FactsFile
from bundle.outputs.input_images import read_images
from bundle.outputs.map_files import MapOutput, Maps
from bundle.outputs.report.case_view import CaseView
from bundle.outputs.report.report_names import report_names
from bundle.tasks.task import Task


@dataclass(frozen=True, eq=False)
class ReportFiles:
    """``CASE_report.html``, with the intensities of the case's files, and ``CASE_thumbnail.jpg``.

    Attributes:
        task: of the network.
        shown: outputs of which the maps are shown.
        facts: makes the facts that the case's JSON holds.
    """

    task: Task
    shown: Sequence[MapOutput]
    facts: FactsFile

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files."""
        return report_names(case_id)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files.

        Raises:
            CaseError: E_CHANGED, a file is not what was read.
            OutputError: a file cannot be written.
        """
        record = result.record
        maps: Maps = {}
        for output in self.shown:
            maps |= output.maps(result)
        images = read_images(record.inputs, record.grid, case_id=record.case_id, task=self.task)
        view = CaseView(
            facts=self.facts.facts(result),
            images=images,
            maps={**maps, "seg": result.label},
            affine=record.grid.affine,
            task=self.task,
        )
        write_report(folder, view)


def write_report(folder: Path, view: CaseView) -> None:
    """Write the files of a case's report into its folder, each whole or not at all.

    Raises:
        OutputError: a file cannot be written.
    """
    # matplotlib takes a while to load, and most runs draw nothing.
    from bundle.outputs.report.case_page import case_page
    from bundle.outputs.report.pictures import thumbnail

    page_name, thumbnail_name = report_names(view.case_id)
    contents = {page_name: case_page(view).encode("utf-8"), thumbnail_name: thumbnail(view)}
    for name, content in contents.items():
        with appearing_at_once(folder / name) as file:
            file.write(content)
