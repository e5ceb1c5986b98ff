"""Runs the mixture over whole cases, window by window."""

import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.inference.window_blend import Place
from bundle.inference.windowed_inferer import WindowedInferer
from bundle.mixture.mixing import derive_presence
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import plain_tensor


class MixtureInferer(WindowedInferer):
    """Sliding windows that blend logits and gate weights with the same importance map.

    Presence is decided once per case and given to every window: a window of background alone would
    otherwise look as if the case had no modality at all.
    """

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
        overlap = inputs.meta.get("overlap") if isinstance(inputs, MetaTensor) else None
        fitted = self.fitted_to(image.shape[2:], overlap)
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
        blend = self.blend(places, image.shape[2:], logits.device)
        said = torch.cat(weights)
        maps = blend.maps(said.flatten(1)).reshape(*said.shape[1:], *image.shape[2:])
        return Mixture(logits, maps[None])
