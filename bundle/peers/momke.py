"""MoMKE: experts that see all modalities, a router per modality, one head for the concatenated
features.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import on_device, refuse_empty, stack_present, uniform_weights
from bundle.mixture.modality_network import ModalityNetwork


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
        experts: one network per modality, (B, 1, H, W, D) to feature maps (B, F, H, W, D); cases
            must not influence each other. The order of the mapping is the channel order of the
            image.
        routers: one network per modality, (B, 1, H, W, D) to scores (B, 1, K) of the K experts.
        head: (B, M * F, H, W, D) to logits (B, R, H, W, D).

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

    def expert_logits(self, image: Tensor, presence: Tensor) -> Tensor:
        """Return every acquired modality's joint features.

        Args:
            image: (B, M, H, W, D).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, F, H, W, D); entries of absent modalities are 0.
        """
        present = presence.cpu()
        refuse_empty(present)
        routers = list(self.routers.values())
        places = present.nonzero().tolist()
        joint = {
            (b, m): self._joint_features(image[b : b + 1, m : m + 1], routers[m]) for b, m in places
        }
        return stack_present(joint, present.shape)

    def mix(self, expert_logits: Tensor, image: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Predict from the joint features of one modality set.

        Args:
            expert_logits: (B, M, F, H, W, D) from ``expert_logits`` for this set or a superset of
                it.
            image: not read.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, H, W, D) and equal weights (B, M, R), float32.
        """
        flags = on_device(presence, expert_logits)[:, :, None, None, None, None]
        logits = self.head(torch.where(flags, expert_logits, 0.0).flatten(1, 2)).float()
        return logits, uniform_weights(presence, logits.shape[1]).to(
            logits.device, non_blocking=True
        )

    def _joint_features(self, channel: Tensor, router: nn.Module) -> Tensor:
        """Weigh what all experts say of one case's modality: (1, 1, H, W, D) to (F, H, W, D)."""
        shares = torch.softmax(router(channel).float().flatten(), dim=0)
        said = [
            share * expert(channel)[0]
            for share, expert in zip(shares, self.experts.values(), strict=True)
        ]
        return torch.stack(said).sum(dim=0)
