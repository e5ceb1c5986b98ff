"""MoMKE: experts that see all modalities, a router per modality, one head for the concatenated
features.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixture.inputs import of_each_modality
from bundle.mixture.mixing import (
    hide_absent,
    on_device,
    refuse_empty,
    stack_present,
    uniform_weights,
)
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Inputs


class MoMKE(ModalityNetwork):
    """Mixture of modality knowledge experts.

    Each expert was trained on one modality (our stage 1 is the paper's first). Then every acquired
    modality goes through all experts; its router weighs what they say, and the joint features of
    all modalities, zeros for absent ones, are concatenated for one head. M acquired modalities cost
    M x K expert passes, K in SimMLM.

    The paper works on feature vectors; here features are the U-Nets' last maps, and a router is the
    CNN of SimMLM's gate on one channel. There is no weight per modality: ``mix`` reports equal
    ones.

    Args:
        experts: one network per modality, (B, 1, ...) to features (B, F, ...); every one reads all
            modalities, which must have one shape. Cases must not influence each other. Their order
            is that of the channels.
        routers: one network per modality, (B, 1, ...) to scores (B, 1, K) of the K experts.
        head: (B, M * F, ...) to logits (B, R, ...).

    Source: Xu, Jiang, Liang: Leveraging Knowledge of Modality Experts for Incomplete Multimodal
        Learning, ACM Multimedia 2024.
    """

    def __init__(
        self, experts: Mapping[str, nn.Module], routers: Mapping[str, nn.Module], head: nn.Module
    ) -> None:
        super().__init__()
        if list(experts) != list(routers):
            raise ValueError(f"routers must be for {', '.join(experts)}; got {', '.join(routers)}.")
        self.experts = nn.ModuleDict(experts)
        self.routers = nn.ModuleDict(routers)
        self.head = head

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the experts, in channel order."""
        return tuple(self.experts)

    def encode(self, inputs: Inputs, presence: Tensor) -> Tensor:
        """Return every acquired modality's joint features.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, F, ...); entries of absent modalities are 0.
        """
        present = presence.cpu()
        refuse_empty(present)
        parts = of_each_modality(inputs, self.modalities)
        routers = list(self.routers.values())
        joint: dict[tuple[int, int], Tensor] = {}
        for b, m in present.nonzero().tolist():
            joint[b, m] = self._joint_features(parts[m][b : b + 1], routers[m])
        return stack_present(joint, present.shape)

    def mix(self, encoded: Tensor, inputs: Inputs, presence: Tensor) -> Mixture:  # noqa: ARG002
        """Predict from the joint features of one modality set.

        Args:
            encoded: (B, M, F, ...) from ``encode`` for this set or a superset of it.
            inputs: not read.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, ...) and equal weights (B, M, R), float32.
        """
        logits = self.head(hide_absent(encoded, presence).flatten(1, 2)).float()
        weights = uniform_weights(presence, logits.shape[1])
        return Mixture(logits, on_device(weights, logits))

    def _joint_features(self, values: Tensor, router: nn.Module) -> Tensor:
        """Weigh what all experts say of one case's modality: (1, 1, ...) to (F, ...)."""
        shares = torch.softmax(router(values).float().flatten(), dim=0)
        said = [
            share * expert(values)[0]
            for share, expert in zip(shares, self.experts.values(), strict=True)
        ]
        return torch.stack(said).sum(dim=0)
