"""Registers the scans of an exam to its reference, and decides which of them can be used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.plain_text import printable
from bundle.registration.pyramid import Pyramid
from bundle.registration.registration import Registration
from bundle.volumes.geometry import same_grid
from bundle.volumes.image_volume import Volume

FAR_MM = 20.0
"""Farther apart than a head that moves between two scans of one session."""

Register = Callable[[Volume, Pyramid], Registration]
"""Takes a scan and its reference."""


@dataclass(frozen=True, eq=False)
class AlignedScan:
    """A scan, and where it lies in the space of the reference.

    Attributes:
        volume: as acquired.
        move: (4, 4), world to world in RAS+ mm, onto the reference.
        is_moved: the move is not the identity.
        quality: of the registration, name to number; empty for the reference.
    """

    volume: Volume
    move: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    is_moved: bool = False
    quality: Mapping[str, float] = field(default_factory=dict)


def move_warnings(scan: AlignedScan, reference: str) -> tuple[str, ...]:
    """Warn of a scan that lay farther from its reference than a head moves between two scans."""
    moved_mm = scan.quality.get("moved_mm", 0.0)
    if moved_mm <= FAR_MM:
        return ()
    return (
        f"it was moved by {moved_mm:.0f} mm to fit {reference}: look whether both are of one head",
    )


def check_positions(volumes: Mapping[str, Volume], case_id: str) -> None:
    """Refuse scans on several grids of which nobody knows how they lie to each other.

    Raises:
        CaseError: E_REGISTRATION.
    """
    first = next(iter(volumes.values()))
    if all(same_grid(first.grid, volume.grid) for volume in volumes.values()):
        return
    for name, volume in volumes.items():
        if not volume.grid.is_anchored:
            raise CaseError(
                "E_REGISTRATION",
                f"Case {case_id}, {name} ({printable(str(volume.path))}): a scan that is brought"
                " onto others must say where its voxels lie; its header does not. Convert the"
                " original series again.",
            )


def align(
    volumes: Mapping[str, Volume],
    reference: str,
    register: Register,
    *,
    case_id: str,
    leave_out_failed: bool,
) -> tuple[dict[str, AlignedScan], dict[str, str]]:
    """Register scans to their reference.

    Args:
        volumes: as acquired.
        reference: one of them.
        register: see `registration.register`.
        case_id: for messages.
        leave_out_failed: leave a scan out instead of refusing the exam.

    Returns:
        Scans by modality, and why others are left out.

    Raises:
        CaseError: E_REGISTRATION, a scan cannot be registered so that it can be trusted.
    """
    pyramid = Pyramid(volumes[reference])
    aligned: dict[str, AlignedScan] = {}
    left_out: dict[str, str] = {}
    for name, volume in volumes.items():
        if name == reference:
            aligned[name] = AlignedScan(volume)
            continue
        found = register(volume, pyramid)
        if not found.problem:
            aligned[name] = AlignedScan(volume, found.move, found.is_moved, found.quality)
        elif leave_out_failed:
            left_out[name] = f"its registration to {reference} failed: {found.problem}"
        else:
            raise CaseError(
                "E_REGISTRATION",
                f"Case {case_id}, {name}: the scan must be registered to {reference}; got:"
                f" {found.problem}. Look at both scans; leave the modality out with"
                " --leave-out-failed, or register it by hand and run without --prepare.",
            )
    return aligned, left_out
