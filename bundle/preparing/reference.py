"""Chooses the scan to which the others of an exam are brought."""

from collections.abc import Mapping

from bundle.errors import CaseError
from bundle.tasks.task import Task
from bundle.volumes.geometry import spacing_mm
from bundle.volumes.image_volume import Volume

ABOUT_AS_FINE = 1.2
"""Ratio of the largest sides of two scans' voxels up to which they count as equally fine."""


def choose_reference(
    volumes: Mapping[str, Volume], wanted: str | None, *, case_id: str, task: Task
) -> str:
    """Return the modality that is wanted, or the finest one.

    Of several that are about as fine, the one that viewers of the task open first.

    Args:
        volumes: as acquired.
        wanted: a modality, or None.
        case_id: for messages.
        task: whose order counts.

    Raises:
        CaseError: E_MISSING, the exam does not have the one that is wanted.
    """
    if wanted is not None:
        if wanted not in volumes:
            raise CaseError(
                "E_MISSING",
                f"Case {case_id}: the reference {wanted} must be one of its scans; got"
                f" {', '.join(volumes)}. Choose one of them with --reference, or leave it out.",
            )
        return wanted
    sides = {name: float(spacing_mm(one.grid.affine).max()) for name, one in volumes.items()}
    finest = min(sides.values())
    fine = [name for name, side in sides.items() if side <= ABOUT_AS_FINE * finest]
    return next((name for name in task.opened_first if name in fine), fine[0])
