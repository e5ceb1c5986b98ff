"""Runs the mixture over whole cases, window by window."""

from copy import copy
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.mixture.mixing import derive_presence
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import plain_tensor


class MixtureInferer(SlidingWindowInferer):
    """Sliding windows that blend logits and gate weights with the same importance map.

    Presence is decided once per case and given to every window: a window of background alone would
    otherwise look as if the case had no modality at all.

    Args:
        amp: compute in bfloat16 where that is safe.
        options: as MONAI's ``SlidingWindowInferer``: ``roi_size``, ``overlap``, ``sw_batch_size``,
            ``mode``.
    """

    def __init__(self, amp: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.amp = amp

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: ModalityNetwork, presence: Tensor | None = None
    ) -> Tensor:
        """Predict whole cases.

        Args:
            inputs: (B, M, H, W, D), preprocessed; of any size, also smaller than the window.
                ``overlap`` in its metadata counts instead of this object's.
            network: the mixture.
            presence: (B, M) bool; left out, a channel that is zero everywhere counts as absent.

        Returns:
            (B, R + M * R, H, W, D) float32: mixed logits, then gate weights with modalities
            outermost.
        """
        overlap = inputs.meta.get("overlap") if isinstance(inputs, MetaTensor) else None
        if overlap is not None and overlap != self.overlap:
            return self._overlapping(overlap)(inputs, network, presence)
        image = plain_tensor(inputs)
        presence = derive_presence(image) if presence is None else presence.bool().cpu()
        cases = [
            self._one(image[i : i + 1], presence[i : i + 1], network) for i in range(len(image))
        ]
        # With the metadata of the input: without it MONAI's Invertd would skip the way back, with a
        # warning only.
        blended: Tensor = convert_to_dst_type(torch.cat(cases), inputs, dtype=torch.float32)[0]
        return blended

    def _overlapping(self, overlap: float) -> "MixtureInferer":
        other = copy(self)
        other.overlap = overlap
        return other

    def _one(self, image: Tensor, presence: Tensor, network: ModalityNetwork) -> Tensor:
        """Blend one case; weights of absent modalities are 0 everywhere, so they need no
        blending.
        """

        def predict(window: Tensor) -> tuple[Tensor, Tensor]:
            return _logits_and_weights(network, window, presence, self.amp)

        logits, present_weights = super().__call__(image, predict)
        n_modalities, n_regions = presence.shape[1], logits.shape[1]
        weights = logits.new_zeros((1, n_modalities, n_regions, *logits.shape[2:]))
        weights[:, presence[0]] = present_weights.unflatten(1, (-1, n_regions))
        return torch.cat([logits, weights.flatten(1, 2)], dim=1)


class ModalitySetsInferer(SlidingWindowInferer):
    """Validation: predict whole volumes from many modality sets at the cost of the experts once.

    Args:
        modality_sets: sets of positions in ``MODALITIES``.
        amp: compute in bfloat16 where that is safe.
        options: as MONAI's ``SlidingWindowInferer``, above all ``roi_size`` and ``overlap``.
    """

    def __init__(self, modality_sets: list[list[bool]], amp: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.sets = torch.tensor(modality_sets, dtype=torch.bool)
        self.amp = amp

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: ModalityNetwork, presence: Tensor | None = None
    ) -> Tensor:
        """Predict one case from every set, restricted to the modalities that it has.

        Args:
            inputs: (1, M, H, W, D).
            network: the mixture.
            presence: (1, M) bool.

        Returns:
            (1, R * S, H, W, D) logits, regions outermost, as ``RepeatChanneld`` lays out the label.
        """
        acquired = derive_presence(inputs) if presence is None else presence.cpu()

        def predict(window: Tensor) -> Tensor:
            with torch.autocast(window.device.type, dtype=torch.bfloat16, enabled=self.amp):
                windows = len(window)
                expert_logits = network.expert_logits(window, acquired.expand(windows, -1))
                sets = [(chosen & acquired).expand(windows, -1) for chosen in self.sets]
                logits = [network.mix(expert_logits, window, chosen)[0] for chosen in sets]
                return torch.stack(logits, dim=2).flatten(1, 2)

        blended = super().__call__(plain_tensor(inputs), predict)
        assert isinstance(blended, Tensor)
        return blended


def _logits_and_weights(
    network: ModalityNetwork, window: Tensor, presence: Tensor, amp: bool
) -> tuple[Tensor, Tensor]:
    """Return logits (B, R, ...) of windows of one case, and the weights of its P modalities as maps
    (B, P * R, ...).
    """
    with torch.autocast(window.device.type, dtype=torch.bfloat16, enabled=amp):
        flags = presence.expand(len(window), -1)
        logits, weights = network.mix(network.expert_logits(window, flags), window, flags)
    maps = weights[:, presence[0]].flatten(1)[..., None, None, None]
    return logits.float(), maps.float().expand(-1, -1, *window.shape[2:]).clone()
