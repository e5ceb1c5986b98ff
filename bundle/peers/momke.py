"""MoMKE: experts that see all modalities, a router per modality, one head for the concatenated
features.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bundle.mixture.case_batches import in_batches
from bundle.mixture.inputs import of_each_modality
from bundle.mixture.mixing import (
    chosen_cases,
    hide_absent,
    on_device,
    refuse_empty,
    stack_present,
    uniform_weights,
    with_axes_of,
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

    The paper works on feature vectors; in U-Nets features are the last maps, and a router is the
    CNN of SimMLM's gate on one channel. There is no weight per modality: ``mix`` reports equal
    ones.

    Args:
        experts: one network per modality, (B, 1, ...) to features (B, F, ...); every one reads all
            modalities, which must have one shape. Cases must not influence each other. Their order
            is that of the channels.
        routers: one network per modality, (B, 1, ...) to scores of the K experts, (B, 1, K) or
            (B, K).
        head: (B, M * F, ...) to logits (B, R, ...).
        stems: one network per modality, from its own shape (B, ...) to the one that all experts and
            routers read; left out, all modalities have that shape.

    Raises:
        ValueError: routers or stems are for other modalities.

    Source: Xu, Jiang, Liang: Leveraging Knowledge of Modality Experts for Incomplete Multimodal
        Learning, ACM Multimedia 2024.
    """

    def __init__(
        self,
        experts: Mapping[str, nn.Module],
        routers: Mapping[str, nn.Module],
        head: nn.Module,
        *,
        stems: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        names = list(experts)
        for what, parts in (("routers", routers), ("stems", stems or experts)):
            if list(parts) != names:
                raise ValueError(f"{what} must be for {', '.join(names)}; got {', '.join(parts)}.")
        self.experts = nn.ModuleDict(experts)
        self.routers = nn.ModuleDict(routers)
        self.head = head
        self.stems = None if stems is None else nn.ModuleDict(stems)

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
        joint: dict[tuple[int, int], Tensor] = {}
        for m, (name, values) in enumerate(zip(self.modalities, parts, strict=True)):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                batches = in_batches(chosen_cases(values, cases))
                found = [case for batch in batches for case in self._joint_features(name, batch)]
                joint |= {(b, m): case for b, case in zip(cases.tolist(), found, strict=True)}
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

    def _joint_features(self, name: str, values: Tensor) -> Sequence[Tensor]:
        """Weigh what all experts say of a modality: (b, ...) to b features (F, ...)."""
        if self.stems is not None:
            values = self.stems[name](values)
        shares = torch.softmax(self.routers[name](values).float().flatten(1), dim=1).unbind(1)
        weighted = []
        for share, expert in zip(shares, self.experts.values(), strict=True):
            said = expert(values)
            weighted.append(with_axes_of(share, said) * said)
        return torch.stack(weighted).sum(dim=0).unbind()
