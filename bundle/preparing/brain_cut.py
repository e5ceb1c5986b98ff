"""Cuts the brain out of an exam that still has its skull, once for all of its scans."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.brains.brain_extraction import BrainExtractor
from bundle.brains.brain_mask import check_brain, load_brain_mask, mask_on_grid
from bundle.brains.skull import find_skull
from bundle.errors import CaseError, SetupError
from bundle.plain_text import printable
from bundle.preparing.alignment import AlignedScan
from bundle.volumes.image_volume import Volume

GetExtractor = Callable[[], BrainExtractor]
"""Raises SetupError where there is none."""


@dataclass(frozen=True, eq=False)
class BrainCut:
    """What is brain, on the working grid.

    Attributes:
        mask: (H, W, D).
        by: what says so.
        warnings: sentences for the user.
    """

    mask: NDArray[np.bool_]
    by: str
    warnings: tuple[str, ...]


def brain_of_exam(
    scans: Mapping[str, AlignedScan],
    working: Mapping[str, Volume],
    *,
    case_id: str,
    mask_file: Path | None,
    get_extractor: GetExtractor,
) -> BrainCut | None:
    """Find the brain by a user's mask, or by a network if the exam has a skull.

    Args:
        scans: as acquired, with their moves.
        working: the same on one grid, the reference first.
        case_id: for messages.
        mask_file: on the grid of one of the scans; None for none.
        get_extractor: makes the network, only if it is needed.

    Returns:
        None for an exam that was stripped before: it is left as it is.

    Raises:
        CaseError: E_SKULL, there is a skull, and nothing to take it off with; E_BRAIN_MASK.
    """
    if mask_file is not None:
        return _by_file(mask_file, scans, working, case_id)
    findings = {name: find_skull({name: scans[name].volume}) for name in working}
    heads = [name for name, finding in findings.items() if finding.has_skull]
    if not heads:
        return None
    try:
        extractor = get_extractor()
    except SetupError as error:
        raise CaseError(
            "E_SKULL",
            f"Case {case_id}: the exam must be skull-stripped; got one with its skull"
            f" ({'; '.join(findings[name].evidence for name in heads)}). {error} Or give"
            " --brain-mask FILE.",
        ) from error
    name = heads[0]  # the reference, if that is one
    mask = extractor(working[name])
    warnings = check_brain(mask, working[name].grid, f"Case {case_id}: the brain found in {name}")
    return BrainCut(mask, extractor.name, warnings)


def _by_file(
    file: Path, scans: Mapping[str, AlignedScan], working: Mapping[str, Volume], case_id: str
) -> BrainCut:
    volumes = {name: scan.volume for name, scan in scans.items()}
    mask, name, warnings = load_brain_mask(file, volumes, case_id=case_id)
    target = next(iter(working.values())).grid
    moved = mask_on_grid(mask, volumes[name].grid, target, moved_by=scans[name].move)
    return BrainCut(moved, f"the mask {printable(file.name)}", warnings)
