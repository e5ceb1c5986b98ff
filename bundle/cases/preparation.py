"""Transforms between the patient's grid and the network's: RAS axes, 1 mm voxels, and checks."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import InvertibleTransform, MapTransform, Spacing
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tensors import plain_tensor


class ResampleTo1mmd(MapTransform, InvertibleTransform):
    """Resample to 1 mm isotropic voxels; a grid that has them already stays as it is.

    MONAI's ``Spacingd`` does the same, but on the key ``image`` it fails inside MONAI Label with
    MONAI 1.6 (it treats every key that starts with ``image_`` as a dictionary).

    Args:
        keys: images (C, H, W, D) with metadata.
        mode: ``bilinear`` or ``nearest``, one per key or one for all.
    """

    def __init__(self, keys: KeysCollection, mode: str | Sequence[str] = "bilinear") -> None:
        super().__init__(keys)
        modes = [mode] * len(self.keys) if isinstance(mode, str) else list(mode)
        self.resamplers = {
            key: Spacing((1.0, 1.0, 1.0), mode=m) for key, m in zip(self.keys, modes, strict=True)
        }

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample every key."""
        resampled = dict(data)
        for key in self.key_iterator(resampled):
            resampled[key] = self.resamplers[key](resampled[key])
        return resampled

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring every key back to the grid that it came from."""
        restored = dict(data)
        for key in self.key_iterator(restored):
            restored[key] = self.resamplers[key].inverse(restored[key])
        return restored


class NormalizeInsided(MapTransform):
    """Give what is inside of each channel, which is what is not 0, the mean 0 and the deviation 1.

    MONAI's ``NormalizeIntensityd`` with ``nonzero`` and ``channel_wise`` gives the same bits and
    takes longer.

    Args:
        keys: images (C, H, W, D).
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise every key into voxels of its own, with the last axis the fastest."""
        case = dict(data)
        for key in self.key_iterator(case):
            image = plain_tensor(case[key])
            normalised = torch.empty(image.shape)
            for channel, values in zip(normalised, image, strict=True):
                _normalise(channel.copy_(values))
            case[key] = convert_to_dst_type(normalised, case[key], dtype=torch.float32)[0]
        return case


def _normalise(channel: Tensor) -> None:
    """Normalise (H, W, D) in place; of one value it only becomes 0."""
    inside = channel.numpy() != 0
    # A mask picks voxels faster in numpy than in torch.
    voxels = torch.from_numpy(channel.numpy()[inside])
    if len(voxels):
        mean, deviation = voxels.mean().item(), voxels.std(unbiased=False).item()
        channel.sub_(mean).div_(deviation or 1.0)
        channel.masked_fill_(torch.from_numpy(~inside), 0.0)


class CheckPreparedd(MapTransform):
    """Refuse a case of which the transforms before left nothing, or no numbers, for one of its
    modalities.

    An affine with an origin far outside of any scanner loses the voxels in rounding, for example.

    Args:
        keys: images (M, H, W, D).
        task: whose modalities the channels are.
    """

    def __init__(self, keys: KeysCollection, *, task: Task = DEFAULT_TASK) -> None:
        super().__init__(keys)
        self.task = task

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case unchanged.

        Args:
            data: images (M, H, W, D); ``presence`` (M,) bool, ``case_id``.

        Raises:
            CaseError: E_PREPARED.
        """
        for key in self.key_iterator(dict(data)):
            image = plain_tensor(data[key])
            channels = zip(self.task.modality_names, image, data["presence"], strict=True)
            for modality, channel, present in channels:
                # The sum is finite only if all are: none is large enough to make it infinite.
                if present and not (channel.numel() and channel.sum().isfinite() and channel.any()):
                    raise CaseError(
                        "E_PREPARED",
                        f"Case {data['case_id']}: {modality} must hold finite voxels after"
                        " resampling, cropping and normalisation; got"
                        f" {'none' if channel.isfinite().all() else 'some that are not'} in"
                        f" {' x '.join(map(str, channel.shape))}. Check voxel size, origin and"
                        " intensities of its file.",
                    )
        return dict(data)


def is_any_not_zero(image: Tensor) -> Tensor:
    """Tell what is inside of any channel of an image: (C, H, W, D) to (1, H, W, D)."""
    inside = image[:1] != 0
    for channel in plain_tensor(image)[1:]:
        inside |= channel != 0
    return inside


def is_not_zero(image: Tensor) -> Tensor:
    """Tell what is inside of a loaded image, such as the brain, from what is outside, which is
    exactly 0.
    """
    return torch.ne(image, 0)
