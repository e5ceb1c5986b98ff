"""What training and inference ask of a network that predicts from any set of modalities."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from bundle.mixture.mixing import derive_presence


class ModalityNetwork(nn.Module, ABC):
    """Predicts regions from whatever modalities a case has, in two steps.

    ``expert_logits`` does once what serves every subset of a modality set; ``mix`` does the rest
    for one set. Two sets of one crop, or all sets of one case, cost the first step once. Nothing
    that the channel of an absent modality holds, NaN included, reaches a result.
    """

    __jit_unused_properties__ = ("modalities",)  # TorchScript would try to compile it

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """Names of the image's channels, in their order."""

    @abstractmethod
    def expert_logits(self, image: Tensor, presence: Tensor) -> Any:
        """Compute what all subsets of ``presence`` have in common.

        Args:
            image: (B, M, H, W, D), z-scored per modality.
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, ...), or whatever else this network's ``mix`` reads; for it alone.
        """

    @abstractmethod
    def mix(self, expert_logits: Any, image: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Predict from one modality set.

        Args:
            expert_logits: from ``expert_logits`` for this set or a superset of it.
            image: (B, M, H, W, D); channels outside the set are ignored.
            presence: (B, M) bool, the set; on the CPU it costs no device sync.

        Returns:
            Logits (B, R, H, W, D) and the modalities' weights (B, M, R), which sum to 1 over M;
            float32.
        """

    def forward(self, image: Tensor, presence: Tensor | None = None) -> Tensor:
        """Predict one window or volume.

        Args:
            image: (B, M, H, W, D), z-scored per modality.
            presence: (B, M) bool, True = acquired. Left out, it is read off the image, which is
                right for whole volumes only.

        Returns:
            (B, R, H, W, D) logits of overlapping regions.
        """
        presence = derive_presence(image) if presence is None else presence.cpu()
        logits, _ = self.mix(self.expert_logits(image, presence), image, presence)
        return logits
