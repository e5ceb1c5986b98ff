"""The picture of a case beside its maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.outputs.case_result import CaseResult
from bundle.outputs.input_images import read_images
from bundle.outputs.map_files import MapOutput, Maps
from bundle.tasks.task import Task


@dataclass(frozen=True, eq=False)
class PreviewFile:
    """``CASE_preview.png``, drawn on the intensities of the case's files.

    Those in memory are normalised and cropped by then.

    Attributes:
        task: of the network.
        shown: outputs of which the maps are drawn.
    """

    task: Task
    shown: Sequence[MapOutput]

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the picture."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the picture."""
        return (f"{case_id}_preview.png",)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Draw the picture.

        Raises:
            CaseError: E_CHANGED, a file is not what was read.
        """
        # matplotlib takes a while to load, and most runs draw nothing.
        from bundle.outputs.preview import draw_preview

        record = result.record
        maps: Maps = {}
        for output in self.shown:
            maps |= output.maps(result)
        images = read_images(record.inputs, record.grid, case_id=record.case_id, task=self.task)
        (name,) = self.names(record)
        draw_preview(
            folder / name,
            images,
            {**maps, "seg": result.label},
            record.grid.affine,
            title=record.case_id,
            task=self.task,
        )
