"""Where a box of voxels lies in the volume that it was cut out of, however its axes were turned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms.spatial.functional import AFFINE_TOL
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Box = tuple[slice, ...]

_UNTURNED = ((0.0, 1.0), (1.0, 1.0), (2.0, 1.0))


@dataclass(frozen=True)
class Placement:
    """A box in a volume.

    Attributes:
        shape: (H, W, D), of the whole volume.
        box: the place, along the turned axes.
        turn: of the volume's axes, as nibabel's ``apply_orientation`` takes it.
    """

    shape: tuple[int, ...]
    box: Box
    turn: tuple[tuple[float, ...], ...] = _UNTURNED

    def embed(self, part: Tensor, around: ArrayLike = 0) -> Tensor:
        """Return the whole volume with a box in its place.

        Args:
            part: (C, h, w, d), along the turned axes; on any device.
            around: one value, or one per channel.

        Returns:
            (C, H, W, D) on the CPU. In memory the first axis is the fastest, as files have it.
        """
        values = part.numpy(force=True)
        around = np.broadcast_to(np.asarray(around, values.dtype), len(values))
        whole = np.empty((len(values), *self.shape[::-1]), values.dtype).transpose(0, 3, 2, 1)
        for channel, inner, outer in zip(whole, values, around, strict=True):
            channel.fill(outer)
            self._turned(channel)[self.box] = inner
        return torch.from_numpy(whole)

    def within(self, box: Box) -> "Placement":
        """Return the place of a box that is given within this one."""
        spans = zip(self.box, box, strict=True)
        inner = tuple(slice(own.start + b.start, own.start + b.stop) for own, b in spans)
        return Placement(self.shape, inner, self.turn)

    def _turned(self, channel: NDArray[Any]) -> NDArray[Any]:
        """Return a view of (H, W, D) along the turned axes."""
        view: NDArray[Any] = apply_orientation(channel, np.array(self.turn))  # type: ignore[no-untyped-call]
        return view


def whole_volume(shape: Sequence[int]) -> Placement:
    """Return the place of a box that is all of a volume (H, W, D)."""
    return Placement(tuple(shape), tuple(slice(0, size) for size in shape))


def placement_of(
    operations: Sequence[Mapping[str, Any]], affine: NDArray[np.float64], shape: Sequence[int]
) -> Placement | None:
    """Find the place of a prepared image in the volume that was loaded.

    Args:
        operations: what MONAI's transforms have noted that they did, ``applied_operations``.
        affine: (4, 4), of the prepared image, voxel to world.
        shape: (h, w, d), of the prepared image.

    Returns:
        None where it was resampled, or something else was done to it than to turn its axes, to
        find that its voxels are right, and to cut out a box.
    """
    names = [str(operation["class"]) for operation in operations]
    if names != ["Orientation", "SpatialResample", "CropForeground"]:
        return None
    turned, resampled, cropped = operations
    crop = cropped["extra_info"]
    if any(np.ravel(crop["pad_info"]["extra_info"]["padded"])):
        return None
    starts, stops = crop["cropped"][::2], crop["cropped"][1::2]
    sizes = [sum(size) for size in zip(starts, shape, stops, strict=True)]
    before_crop = np.array(affine, np.float64)
    before_crop[:3, 3] -= before_crop[:3, :3] @ starts
    before = np.asarray(resampled["extra_info"]["src_affine"], np.float64)
    if sizes != list(resampled["orig_size"]) or not _is_same(before, before_crop):
        return None
    own = turned["extra_info"]["original_affine"]
    turn = ornt_transform(io_orientation(own), io_orientation(before))  # type: ignore[no-untyped-call]
    spans = zip(starts, shape, strict=True)
    box = tuple(slice(start, start + size) for start, size in spans)
    return Placement(tuple(turned["orig_size"]), box, tuple(map(tuple, turn.tolist())))


def _is_same(before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    """Whether MONAI takes two affines for one, so that it interpolates on neither way."""
    return np.allclose(before, after, atol=AFFINE_TOL)
