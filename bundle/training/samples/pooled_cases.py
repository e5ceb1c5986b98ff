"""Training cases on a coarser grid, prepared as ``WindowedInferer`` does it for the network."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from bundle.tensors import plain_tensor
from bundle.volume_networks.pooling import pool_inside, pool_label


class PoolCased(MapTransform):
    """Pool image and label of 1 mm voxels into larger ones.

    Args:
        keys: image (M, H, W, D), 0 outside, and label (R, H, W, D), in this order.
        spacing: mm, of the voxels afterwards.
    """

    def __init__(self, keys: tuple[str, str] = ("image", "label"), *, spacing: int = 1) -> None:
        super().__init__(keys)
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Pool image and label."""
        case = dict(data)
        if self.spacing > 1:
            image, label = self.keys
            case[image] = self._placed(
                pool_inside(plain_tensor(case[image]), self.spacing), case[image]
            )
            case[label] = self._placed(
                pool_label(plain_tensor(case[label]), self.spacing), case[label]
            )
        return case

    def _placed(self, pooled: Tensor, original: Tensor) -> Tensor:
        """Return voxels with the affine of their larger grid, if the smaller one has any."""
        if not isinstance(original, MetaTensor):
            return pooled
        affine = original.affine.clone()
        affine[:3, :3] *= self.spacing
        # The first voxel's centre is the middle of those that were pooled into it.
        affine[:3, 3] += original.affine[:3, :3].sum(1) * (self.spacing - 1) / 2
        return MetaTensor(pooled, affine=affine)
