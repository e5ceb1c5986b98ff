"""ShaSpec: features that all modalities share, features of each alone, and a fusion that stands in
for missing ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from monai.networks.nets import DynUNet
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bundle.mixture.inputs import of_each_modality
from bundle.mixture.mixing import (
    on_device,
    refuse_empty,
    stack_present,
    uniform_weights,
    with_axes_of,
)
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Inputs
from bundle.volume_networks.unet_halves import UNetDecoder, UNetEncoder


@dataclass(frozen=True)
class SharedSpecific:
    """Features of the acquired modalities, zeros for absent ones.

    Attributes:
        shared: r, of every level (B, M, F, h, w, d), finest first.
        specific: s, likewise.
    """

    shared: Sequence[Tensor]
    specific: Sequence[Tensor]


class ShaSpec(ModalityNetwork):
    """Shared-specific feature modelling.

    One encoder serves all modalities and gives the shared features r, one encoder per modality the
    specific features s. A modality enters the decoder as f = projection([r, s]) + r, a missing one
    as the mean of the acquired ones' r.

    The paper fuses one feature map per modality; here every level of the U-Net is fused in the same
    way, so that its skip connections stay, and a linear layer brings the concatenated f of a level
    to the decoder's channels. There is no weight per modality: ``mix`` reports equal ones.

    Args:
        shared: gives the shared encoder.
        specific: one per modality, give the specific encoders. Their order is that of the
            channels.
        decoder: gives the decoder; its output has the channels of the regions.

    Source: Wang et al., Multi-modal Learning with Missing Modality via Shared-Specific Feature
        Modelling, CVPR 2023, arXiv:2307.14126.
    """

    def __init__(self, shared: DynUNet, specific: Mapping[str, DynUNet], decoder: DynUNet) -> None:
        super().__init__()
        self.shared = UNetEncoder(shared)
        self.specific = nn.ModuleDict({name: UNetEncoder(unet) for name, unet in specific.items()})
        self.decoder = UNetDecoder(decoder)
        n, filters = len(specific), self.shared.filters
        self.projections = nn.ModuleList(
            nn.Conv3d(2 * width, width, 1, bias=False) for width in filters
        )
        self.joints = nn.ModuleList(nn.Conv3d(n * width, width, 1, bias=False) for width in filters)
        self.domain_classifier = nn.Linear(filters[-1], n)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the specific encoders, in channel order."""
        return tuple(self.specific)

    def encode(self, inputs: Inputs, presence: Tensor) -> SharedSpecific:
        """Return shared and specific features of the acquired modalities.

        Args:
            inputs: (B, M, H, W, D), or modality to (B, 1, H, W, D), all of one shape.
            presence: (B, M) bool; on the CPU it costs no device sync.
        """
        present = presence.cpu()
        refuse_empty(present)
        parts = of_each_modality(inputs, self.modalities)
        channels = {(b, m): parts[m][b : b + 1] for b, m in present.nonzero().tolist()}
        encoders = list(self.specific.values())
        shared = {place: self.shared(channel) for place, channel in channels.items()}
        specific = {place: encoders[place[1]](channel) for place, channel in channels.items()}
        return SharedSpecific(_stacked(shared, present.shape), _stacked(specific, present.shape))

    def mix(
        self,
        encoded: SharedSpecific,
        inputs: Inputs,  # noqa: ARG002
        presence: Tensor,
    ) -> Mixture:
        """Predict from one modality set.

        Args:
            encoded: features of this set or of a superset of it.
            inputs: not read.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, H, W, D) and equal weights (B, M, R), float32.
        """
        levels = zip(encoded.shared, encoded.specific, self.projections, self.joints, strict=True)
        fused = [joint(_fused(r, s, projection, presence)) for r, s, projection, joint in levels]
        logits = self.decoder(fused).float()
        weights = uniform_weights(presence, logits.shape[1])
        return Mixture(logits, on_device(weights, logits))

    def auxiliary_losses(self, features: SharedSpecific, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what the paper adds to the task, on the deepest level.

        Args:
            features: from ``encode``.
            presence: (B, M) bool, the set that they are of; on the CPU it costs no device sync.

        Returns:
            Distribution alignment: the mean L1 distance between the shared features of two
            modalities of a case; 0 where no case has two. Domain classification: the cross-entropy
            of telling the modality from the specific features' means.
        """
        shared, places = features.shared[-1].float(), presence.nonzero().tolist()
        pairs = [(one, other) for one, other in combinations(places, 2) if one[0] == other[0]]
        distances = [(shared[b, m] - shared[b, n]).abs().mean() for (b, m), (_, n) in pairs]
        alignment = torch.stack(distances).mean() if distances else shared.new_zeros(())
        means = features.specific[-1].flatten(3).mean(dim=3)
        scores = self.domain_classifier(torch.stack([means[b, m] for b, m in places])).float()
        domain = cross_entropy(scores, torch.tensor([m for _, m in places], device=scores.device))
        return alignment, domain


def _stacked(
    found: Mapping[tuple[int, int], Sequence[Tensor]], shape: Sequence[int]
) -> list[Tensor]:
    """Put the levels of every (case, modality), each (1, F, h, w, d), at their places in (B, M, F,
    h, w, d).
    """
    stacked = []
    for level in zip(*found.values(), strict=True):
        first = {place: one[0] for place, one in zip(found, level, strict=True)}
        stacked.append(stack_present(first, shape))
    return stacked


def _fused(shared: Tensor, specific: Tensor, projection: nn.Module, presence: Tensor) -> Tensor:
    """Fuse r and s (B, M, F, h, w, d), stand in for what is missing, concatenate: (B, M * F, h, w,
    d).
    """
    flags = with_axes_of(on_device(presence, shared), shared)
    total = torch.where(flags, shared, 0.0).sum(dim=1, keepdim=True)
    stand_in = total / flags.sum(dim=1, keepdim=True).clamp(min=1)
    both = torch.cat([shared, specific], dim=2).flatten(0, 1)
    fused = projection(both).unflatten(0, shared.shape[:2]) + shared
    return torch.where(flags, fused, stand_in.to(fused.dtype)).flatten(1, 2)
