"""Tells heads that are not skull-stripped, and backgrounds that are not 0."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bundle.brains.skull import find_skull
from bundle.volumes.background import faces
from bundle.volumes.image_volume import Volume


def background_warnings(volumes: Mapping[str, Volume]) -> tuple[str, ...]:
    """Warn of a head with its skull, and where most of a volume or of its faces holds signal.

    Where another modality of the case shows that the brain ends before the faces, the background
    itself is to blame.
    """
    skulls = {name: find_skull({name: volume}) for name, volume in volumes.items()}
    heads = [finding.evidence for finding in skulls.values() if finding.has_skull]
    others = {name: volumes[name] for name in volumes if not skulls[name].has_skull}
    return _head_warnings(heads) + _filled_warnings(others)


def _head_warnings(heads: list[str]) -> tuple[str, ...]:
    if not heads:
        return ()
    return (
        (
            f"the case does not look skull-stripped ({'; '.join(heads)}), and the network knows"
            " only skull-stripped brains: simmlm prepare cuts them out"
        ),
    )


def _filled_warnings(volumes: Mapping[str, Volume]) -> tuple[str, ...]:
    filled = {modality: _share_filled(volume.data) for modality, volume in volumes.items()}
    full = {name: share for name, (share, face) in filled.items() if face >= 0.5 or share >= 0.7}
    if not full:
        return ()
    shares = ", ".join(f"{share:.0%} of {name}" for name, share in full.items())
    others = [name for name in volumes if name not in full]
    if others:
        return (
            (
                f"{shares} is not 0, although {' and '.join(others)} show where the brain ends: the"
                " background must be 0; mask all modalities alike, or the result means nothing"
            ),
        )
    return (
        (
            f"{shares} is not 0, up to the faces of the volume: the case does not look"
            " skull-stripped, or its background is not 0, and the network knows only"
            " skull-stripped brains"
        ),
    )


def _share_filled(data: NDArray[np.float32]) -> tuple[float, float]:
    """Shares of all voxels, and of those on the faces, that are not 0."""
    return np.count_nonzero(data != 0) / data.size, float((faces(data) != 0).mean())
