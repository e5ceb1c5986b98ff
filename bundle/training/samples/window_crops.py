"""What of a case a network sees in a training step."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import (
    MapTransform,
    RandCropByPosNegLabeld,
    SpatialPad,
    SpatialPadd,
    Transform,
)
from torch import nn

from bundle.devices import SMALLEST_BFLOAT16
from bundle.errors import CaseError, UsageError
from bundle.volume_networks.windows import LARGEST, WholeWindow, Window, checked_window


def training_window(roi_size: Sequence[int] | str, network: nn.Module) -> Window:
    """Make the window of a training of the setting ``roi_size``.

    One as large as the case leaves so many voxels in the deepest layer that bfloat16 is right on
    CPUs, see ``devices.choose_amp``.

    Args:
        roi_size: as for ``windows.checked_window``.
        network: what must be able to take it.

    Raises:
        SetupError: as there.
    """
    return checked_window(roi_size, network, SMALLEST_BFLOAT16 + 1)


def window_crops(
    roi_size: Sequence[int] | str,
    network: nn.Module,
    *,
    keys: Sequence[str],
    label_key: str,
    batch_size: int,
) -> list[Transform]:
    """Return the transforms that make a sample of a case.

    Args:
        roi_size: voxels of each sample, (H, W, D); or ``whole``, all of each case.
        network: what must be able to take it.
        keys: of volumes (C, H, W, D), image and label.
        label_key: of the regions (R, H, W, D), in which two of three crops have their middle.
        batch_size: samples of a step.

    Raises:
        UsageError: cases of different sizes would be one batch.
    """
    if isinstance(roi_size, str):  # ``whole``
        if batch_size > 1:
            raise UsageError(
                "E_SETTING",
                f"roi_size=whole needs batch_size=1, because cases differ in size; got"
                f" {batch_size}. Change one of them.",
            )
        window = training_window(roi_size, network)
        assert isinstance(window, WholeWindow)
        return [PadToWindowd(keys, window)]
    # MONAI takes the first of several label channels for background and leaves it out.
    crop = RandCropByPosNegLabeld(
        keys, label_key=label_key, spatial_size=roi_size, pos=2, neg=1, num_samples=1
    )
    return [SpatialPadd(keys, spatial_size=roi_size), crop]


class PadToWindowd(MapTransform):
    """Pads cases with zeros to a window as large as each.

    Args:
        keys: of volumes (C, H, W, D) of one size.
        window: tells the size.
    """

    def __init__(self, keys: Sequence[str], window: WholeWindow) -> None:
        super().__init__(keys)
        self.window = window

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with its volumes padded.

        Raises:
            CaseError: E_ROI_SIZE, the case is too large for one window.
        """
        case = dict(data)
        for key in self.key_iterator(case):
            shape = case[key].shape[1:]
            size = self.window.over(shape)
            if any(side < voxels for side, voxels in zip(size, shape, strict=True)):
                raise CaseError(
                    "E_ROI_SIZE",
                    f"Case {case['case_id']}: a case seen whole must have at most {LARGEST:,}"
                    f" voxels; got {tuple(shape)}. Give roi_size three numbers.",
                )
            case[key] = SpatialPad(size)(case[key])
        return case
