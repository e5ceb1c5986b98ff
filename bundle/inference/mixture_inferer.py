"""Runs the mixture over whole cases, window by window."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.utils import convert_to_dst_type, ensure_tuple_rep
from torch import Tensor

from bundle.inference.window_blend import Place, WindowBlend
from bundle.mixture.mixing import derive_presence
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.mixture.windows import Window, window_over
from bundle.tensors import plain_tensor


class MixtureInferer(SlidingWindowInferer):
    """Sliding windows that blend logits and gate weights with the same importance map.

    Presence is decided once per case and given to every window: a window of background alone would
    otherwise look as if the case had no modality at all.

    Args:
        amp: compute in bfloat16 where that is safe.
        roi_size: a window, or one as large as each case, see ``windows.checked_window``.
        options: as MONAI's ``SlidingWindowInferer``: ``overlap``, ``sw_batch_size``, ``mode``.
    """

    def __init__(self, roi_size: Window, amp: bool = False, **options: Any) -> None:
        fixed = roi_size if isinstance(roi_size, Sequence) else -1  # MONAI's: as large as the case
        super().__init__(roi_size=fixed, with_coord=True, **options)
        self.window = roi_size
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
        image = plain_tensor(inputs)
        presence = derive_presence(image) if presence is None else presence.bool().cpu()
        fitted = self._fitted_to(inputs)
        cases = [
            fitted._one(image[i : i + 1], presence[i : i + 1], network) for i in range(len(image))
        ]
        blended: dict[str, Tensor] = {}
        for name, parts in zip(Mixture._fields, zip(*cases, strict=True), strict=True):
            # With the metadata of the input: without it MONAI's Invertd would skip the way back,
            # with a warning only.
            maps = torch.cat(parts) if len(parts) > 1 else parts[0]
            blended[name] = convert_to_dst_type(maps, inputs, dtype=torch.float32)[0]
        return blended

    def _fitted_to(self, inputs: Tensor) -> "MixtureInferer":
        other = copy(self)
        other.roi_size = window_over(self.window, inputs.shape[2:])
        overlap = inputs.meta.get("overlap") if isinstance(inputs, MetaTensor) else None
        other.overlap = self.overlap if overlap is None else overlap
        return other

    def _one(self, image: Tensor, presence: Tensor, network: ModalityNetwork) -> Mixture:
        """Blend one case.

        Weights are one number per window, and those of absent modalities 0: they are blended
        without a map per window.
        """
        places: list[Place] = []
        weights: list[Tensor] = []

        def predict(window: Tensor, windows: list[list[slice]]) -> Tensor:
            flags = presence.expand(len(window), -1)
            with torch.autocast(window.device.type, dtype=torch.bfloat16, enabled=self.amp):
                mixture = network.mix(network.encode(window, flags), window, flags)
            places.extend(tuple(place[2:]) for place in windows)
            weights.append(mixture.weights.float())
            return mixture.logits.float()

        logits = super().__call__(image, predict)
        assert isinstance(logits, Tensor)
        blend = WindowBlend(
            places,
            ensure_tuple_rep(self.roi_size, 3),
            image.shape[2:],
            mode=self.mode,
            sigma_scale=self.sigma_scale,
            device=logits.device,
        )
        said = torch.cat(weights)
        maps = blend.maps(said.flatten(1)).reshape(*said.shape[1:], *image.shape[2:])
        return Mixture(logits, maps[None])
