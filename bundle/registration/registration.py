"""Moves one scan of a head onto another of the same head, or says that it could not."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bundle.registration.agreement import NEAR_DEGREES, NEAR_MM, Agreement
from bundle.registration.pyramid import Pyramid
from bundle.registration.search import Found, find_move
from bundle.registration.world import Move, distance_mm
from bundle.volumes.image_volume import Volume

CLEAR_GAIN = 0.25
"""Of what ``NEAR_MM`` cost in agreement.

The peak is a parabola, so that this is half of them: a scan that lies closer than 1.5 mm is left
where it was.
"""

MIN_AGREEING = 2
"""Searches from different starts that must end at the same place."""

MIN_OVERLAP = 0.5
"""Share of the reference's head that a scan must cover."""


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a scan lies with respect to its reference.

    Attributes:
        move: of the scan's world onto the reference's; the identity where the scan was left where
            it was.
        quality: ``agreement`` of the edges at the place that was found, ``agreement_left`` where
            the scan was, ``agreement_beside`` a little beside the place, on average, and ``gain``:
            the first minus the second, over the first minus the third. ``moved_mm`` is the mean
            displacement of the head, ``starts`` and ``starts_agreeing`` count the searches,
            and ``overlap`` is the share of the reference's head that the scan covers.
        problem: why the place cannot be trusted; empty if it can.
    """

    move: Move
    quality: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_moved(self) -> bool:
        """Whether the scan does not stay where it was."""
        return not np.array_equal(self.move, np.eye(4))


def register(scan: Volume, reference: Pyramid) -> Registration:
    """Find the rigid move that brings a scan onto a reference, the same one whenever it is asked.

    A scan stays where the scanner's coordinates put it unless another place is clearly better.

    Args:
        scan: with a position.
        reference: made once for all scans of an exam.
    """
    moving = Pyramid(scan)
    agreement = Agreement(moving, reference)
    found = find_move(moving, reference)
    here, left = agreement.of(found.move), agreement.of(np.eye(4))
    beside = agreement.near(found.move)
    drop = here - float(np.mean(beside))
    gain = (here - left) / drop if drop > 0 else 0.0
    move = found.move if gain >= CLEAR_GAIN else np.eye(4)
    quality = {
        "agreement": here,
        "agreement_left": left,
        "agreement_beside": float(np.mean(beside)),
        "gain": gain,
        "moved_mm": distance_mm(move, np.eye(4), moving.points),
        "starts": found.n_starts,
        "starts_agreeing": found.n_agreeing,
    }
    quality["overlap"] = overlap(moving, reference.points, move)
    problem = _problem(found, here, max(beside)) or _too_little(quality["overlap"])
    return Registration(
        move, {name: round(float(value), 4) for name, value in quality.items()}, problem
    )


def _problem(found: Found, here: float, best_beside: float) -> str:
    if found.n_agreeing < MIN_AGREEING:
        return (
            f"searches from {found.n_starts} starts must agree on a place; got {found.n_agreeing}"
            " that did"
        )
    if here <= best_beside:
        return (
            "the edges must agree best at the place that was found; got an agreement of"
            f" {here:.3f} there and {best_beside:.3f} at {NEAR_MM:g} mm or {NEAR_DEGREES:g} degrees"
            " from it"
        )
    return ""


def _too_little(share: float) -> str:
    if share >= MIN_OVERLAP:
        return ""
    return f"it must cover at least {MIN_OVERLAP:.0%} of the reference's head; got {share:.0%}"


def overlap(scan: Pyramid, points: NDArray[np.float64], move: Move) -> float:
    """Return the share of a reference's points that lie in the field of view of a moved scan."""
    back = np.linalg.inv(move)
    voxel = np.linalg.inv(scan.volume.grid.affine) @ back
    places = points @ voxel[:3, :3].T + voxel[:3, 3]
    inside = (places >= -0.5) & (places <= np.array(scan.volume.grid.shape) - 0.5)
    return float(inside.all(axis=1).mean())
