"""What a training or validation step asks of the network."""

from typing import Any

import torch
from monai.inferers import Inferer, SlidingWindowInferer
from torch import Tensor

from bundle.mixing import derive_presence
from bundle.networks.dmome import DMoME


class ExpertsInferer(Inferer):
    """Stage 1: run every present expert on its own modality.

    Args:
        amp: compute in bfloat16 where that is safe (the sums of losses stay in float32).
    """

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(self, inputs: Tensor, network: DMoME, presence: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Give expert logits (B, M, R, H, W, D) and the presence (B, M) that tells which of them count."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.amp):
            return network.expert_logits(_plain(inputs), presence), presence


class PairInferer(Inferer):
    """Stage 2: predict one crop from two modality sets, running each expert once and the gate twice."""

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: DMoME, more: Tensor, fewer: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict from both sets.

        Args:
            inputs: (B, M, H, W, D).
            network: the mixture.
            more: (B, M) bool, the larger sets.
            fewer: (B, M) bool, subsets of ``more``.

        Returns:
            Logits of the larger and of the smaller sets, (B, R, H, W, D) each.
        """
        image = _plain(inputs)
        with torch.autocast(image.device.type, dtype=torch.bfloat16, enabled=self.amp):
            expert_logits = network.expert_logits(image, more)
            return network.mix(expert_logits, image, more)[0], network.mix(expert_logits, image, fewer)[0]


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

    def __call__(self, inputs: Tensor, network: DMoME, presence: Tensor | None = None) -> Tensor:  # type: ignore[override]
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

        blended = super().__call__(_plain(inputs), predict)
        assert isinstance(blended, Tensor)
        return blended


def _plain(image: Tensor) -> Tensor:
    """Drop MONAI's metadata: bookkeeping inside every operation of the network costs time."""
    return image.as_tensor() if hasattr(image, "as_tensor") else image
