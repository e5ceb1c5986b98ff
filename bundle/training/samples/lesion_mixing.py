"""Makes new training cases by putting one patient's lesion into another's brain."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform, distance_transform_edt
from torch import Tensor
from torch.nn.functional import pad

from bundle.tensors import plain_tensor

DONOR = "donor"
"""Key of the case that the lesion is taken from; ``CachedCases`` puts it there."""


class RandLesionMixd(RandomizableTransform, MapTransform):
    """Carve the lesion out of the donor and paste it, image and label alike, at the same place in
    the recipient.

    What is carved is bounded by a surface at a random distance from the lesion's contour: sometimes
    the inner part alone, sometimes with surroundings. Intensities are pasted as they are, which
    makes sense because each modality is z-scored over its own brain. The place is the same in
    proportion to the brain, to which both images are cropped, rounded to whole voxels; nothing is
    pasted outside the recipient's brain, nor taken from outside the donor's. Modalities that the
    recipient does not have stay 0.

    A sample without donor, with a donor that lacks one of its modalities, or with one without
    lesion stays as it is.

    Args:
        keys: image (M, H, W, D) and label (R, H, W, D), in this order, 1 mm voxels.
        prob: of mixing a sample that has a donor.
        presence: key of the presence flags, (M,) bool.

    Source: Zhang et al., CarveMix, MICCAI 2021 and NeuroImage 2023, arXiv:2108.06883, section on
    carving.
    """

    def __init__(
        self,
        keys: KeysCollection = ("image", "label"),
        prob: float = 1.0,
        presence: str = "presence",
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        if len(self.keys) != 2:
            raise ValueError(
                f"keys must name an image and a label; got {self.keys}. Give these two."
            )
        self.presence = presence
        self.reach = 0.0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to mix, and where to cut: from -1/2 to 0 or from 0 to 1, in units of the
        lesion's depth.
        """
        super().randomize(data)
        self.reach = self.R.uniform(-0.5, 0.0) if self.R.rand() < 0.5 else self.R.uniform(0.0, 1.0)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Mix the donor's lesion into the sample; the donor is dropped in any case."""
        self.randomize()
        sample = dict(data)
        donor = sample.pop(DONOR, None)
        if donor is None or not self._do_transform:
            return sample
        present = torch.as_tensor(sample[self.presence], dtype=torch.bool)
        if (present & ~torch.as_tensor(donor[self.presence], dtype=torch.bool)).any():
            return sample
        image, label = plain_tensor(donor[self.keys[0]]), plain_tensor(donor[self.keys[1]])
        lesion = (label > 0).any(dim=0)
        if not lesion.any():
            return sample
        voxels = carve(lesion, self.reach)
        own = plain_tensor(sample[self.keys[0]])
        source, target = place(voxels, lesion.shape, own.shape[1:])
        channels = present.nonzero().flatten().tolist()
        brain = is_brain(own[channels], target) & is_brain(image[channels], source)
        source, target = source[brain], target[brain]
        sample[self.keys[0]] = paste(sample[self.keys[0]], image, source, target, channels)
        sample[self.keys[1]] = paste(
            sample[self.keys[1]], label, source, target, list(range(len(label)))
        )
        return sample


def carve(lesion: Tensor, reach: float) -> Tensor:
    """Find the voxels inside a surface that follows the lesion's contour.

    Args:
        lesion: (H, W, D) bool, not empty, 1 mm voxels.
        reach: distance of the surface outwards, negative for inwards, in units of the distance from
            the contour to the innermost voxel.

    Returns:
        (N, 3) voxels, N > 0 for a reach above -1.
    """
    corner, part = _cut_out(lesion, margin=0)
    inwards = distance_to_contour(pad(part, (1,) * 6))[1:-1, 1:-1, 1:-1]
    depth_mm = float(inwards.max())
    if reach <= 0:
        return (inwards > -reach * depth_mm).nonzero() + corner
    corner, part = _cut_out(lesion, margin=int(reach * depth_mm) + 2)
    return (distance_to_contour(~part) < reach * depth_mm).nonzero() + corner


def distance_to_contour(mask: Tensor) -> Tensor:
    """Return the distance (H, W, D) of voxels in a mask to its contour, half way to the next voxel
    outside; 0 outside.
    """
    distance = distance_transform_edt(mask[None].float())
    return (plain_tensor(torch.as_tensor(distance))[0] - 0.5).clamp(min=0)


def place(voxels: Tensor, donor_shape: torch.Size, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Move voxels as a whole to where their middle lies at the same share of each side of another
    grid.

    Args:
        voxels: (N, 3) in the donor.
        donor_shape: (H, W, D).
        shape: (H, W, D) of the recipient.

    Returns:
        Voxels in the donor and in the recipient, (K, 3) each, without those that would lie outside.
    """
    size = torch.tensor(list(donor_shape), device=voxels.device)
    new_size = torch.tensor(list(shape), device=voxels.device)
    middle = (voxels.amin(0) + voxels.amax(0) + 1) / 2
    target = voxels + (middle * new_size / size - middle).round().long()
    inside = ((target >= 0) & (target < new_size)).all(dim=1)
    return voxels[inside], target[inside]


def is_brain(image: Tensor, voxels: Tensor) -> Tensor:
    """Return which voxels (K, 3) of an image (M, H, W, D) are not outside, (K,) bool."""
    return (image[(slice(None), *voxels.T)] != 0).any(dim=0)


def paste(
    into: Tensor, donor: Tensor, source: Tensor, target: Tensor, channels: list[int]
) -> Tensor:
    """Copy voxels of some channels into a copy of an image, which keeps its metadata.

    Args:
        into: (C, H, W, D).
        donor: (C, H', W', D'), the same kind of image.
        source: (K, 3) voxels of the donor.
        target: (K, 3) voxels where they go.
        channels: which of the C.

    Returns:
        (C, H, W, D).
    """
    mixed = into.clone()
    voxels = plain_tensor(mixed)  # shared
    for channel in channels:
        voxels[(channel, *target.T)] = donor[(channel, *source.T)]
    return mixed


def _cut_out(mask: Tensor, margin: int) -> tuple[Tensor, Tensor]:
    """Cut a mask down to what it holds and a margin, so that distances cost little.

    Give corner (3,) and part.
    """
    filled = mask.nonzero()
    corner = (filled.amin(0) - margin).clamp(min=0)
    end = filled.amax(0) + margin + 1
    return corner, mask[tuple(slice(int(a), int(b)) for a, b in zip(corner, end, strict=True))]
