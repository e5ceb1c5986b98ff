"""Runs the mixture over whole cases, window by window."""

from copy import copy
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.mixture.mixing import derive_presence, with_axes_of
from bundle.mixture.mixture import Mixture
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
    ) -> dict[str, Tensor]:
        """Predict whole cases.

        Args:
            inputs: (B, M, H, W, D), preprocessed; of any size, also smaller than the window.
                ``overlap`` in its metadata overrides this object's.
            network: the mixture.
            presence: (B, M) bool; left out, a channel that is zero everywhere counts as absent.

        Returns:
            ``logits`` (B, R, H, W, D) and ``weights`` (B, M, R, H, W, D), float32. A dictionary,
            because MONAI takes batches of no other kind of named parts into cases.
        """
        overlap = inputs.meta.get("overlap") if isinstance(inputs, MetaTensor) else None
        if overlap is not None and overlap != self.overlap:
            return self._overlapping(overlap)(inputs, network, presence)
        image = plain_tensor(inputs)
        presence = derive_presence(image) if presence is None else presence.bool().cpu()
        cases = [
            self._one(image[i : i + 1], presence[i : i + 1], network) for i in range(len(image))
        ]
        blended: dict[str, Tensor] = {}
        for name, parts in zip(Mixture._fields, zip(*cases, strict=True), strict=True):
            # With the metadata of the input: without it MONAI's Invertd would skip the way back,
            # with a warning only.
            maps = torch.cat(parts)
            blended[name] = convert_to_dst_type(maps, inputs, dtype=torch.float32)[0]
        return blended

    def _overlapping(self, overlap: float) -> "MixtureInferer":
        other = copy(self)
        other.overlap = overlap
        return other

    def _one(self, image: Tensor, presence: Tensor, network: ModalityNetwork) -> Mixture:
        """Blend one case.

        Weights of absent modalities are 0 everywhere, so they need no blending.
        """

        def predict(window: Tensor) -> tuple[Tensor, Tensor]:
            return _logits_and_weights(network, window, presence, self.amp)

        logits, present_weights = super().__call__(image, predict)
        n_modalities, n_regions = presence.shape[1], logits.shape[1]
        weights = logits.new_zeros((1, n_modalities, n_regions, *logits.shape[2:]))
        weights[:, presence[0]] = present_weights.unflatten(1, (-1, n_regions))
        return Mixture(logits, weights)


def _logits_and_weights(
    network: ModalityNetwork, window: Tensor, presence: Tensor, amp: bool
) -> tuple[Tensor, Tensor]:
    """Return logits (B, R, ...) of windows of one case, and the weights of its P modalities as maps
    (B, P * R, ...).
    """
    with torch.autocast(window.device.type, dtype=torch.bfloat16, enabled=amp):
        flags = presence.expand(len(window), -1)
        mixture = network.mix(network.encode(window, flags), window, flags)
    maps = with_axes_of(mixture.weights[:, presence[0]].flatten(1), window)
    return mixture.logits.float(), maps.float().expand(-1, -1, *window.shape[2:]).clone()
