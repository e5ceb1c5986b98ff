"""Tells heads that are not skull-stripped by their background."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bundle.volumes.background import faces
from bundle.volumes.image_volume import Volume


def background_warnings(volumes: Mapping[str, Volume]) -> tuple[str, ...]:
    """Warn where most of a volume or of its faces holds signal: heads that are not skull-stripped
    look like that.

    Where another modality of the case shows that the brain ends before the faces, the background
    itself is to blame.
    """
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
