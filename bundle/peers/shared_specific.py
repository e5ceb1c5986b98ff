"""What ShaSpec does whatever its features look like: encode, fuse, stand in for what is missing."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bundle.mixture.case_batches import in_batches
from bundle.mixture.inputs import of_each_modality
from bundle.mixture.mixing import (
    chosen_cases,
    on_device,
    refuse_empty,
    stack_present,
    uniform_weights,
    with_axes_of,
)
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Inputs

Levels = Sequence[Tensor]
"""Features of one case and modality, every level (F, ...), finest first."""


@dataclass(frozen=True)
class SharedSpecific:
    """Features of the acquired modalities, zeros for absent ones.

    Attributes:
        shared: r, of every level (B, M, F, ...), finest first; vectors have one level.
        specific: s, likewise.
    """

    shared: Sequence[Tensor]
    specific: Sequence[Tensor]


class SharedSpecificNetwork(ModalityNetwork):
    """Shared-specific feature modelling.

    One encoder serves all modalities and gives the shared features r, one encoder per modality the
    specific features s. A modality enters the decoder as f = projection([r, s]) + r, a missing one
    as the mean of the acquired ones' r. There is no weight per modality: ``mix`` reports equal
    ones.

    Attributes:
        shared: encoder of all modalities.
        specific: one encoder per modality.
        projections: one per level, 2F to F features.
        domain_classifier: F features of the last level to M scores.

    Source: Wang et al., Multi-modal Learning with Missing Modality via Shared-Specific Feature
        Modelling, CVPR 2023, arXiv:2307.14126.
    """

    shared: nn.Module
    specific: nn.ModuleDict
    projections: nn.ModuleList
    domain_classifier: nn.Linear

    @abstractmethod
    def _levels(self, encoder: nn.Module, values: Tensor) -> Sequence[Tensor]:
        """Encode cases: what ``_stem`` gives to every level's (b, F, ...)."""

    @abstractmethod
    def _decode(self, fused: Sequence[Tensor]) -> Tensor:
        """Make logits (B, R, ...) of the levels' fused features (B, M * F, ...)."""

    def _stem(self, name: str, values: Tensor) -> Tensor:  # noqa: ARG002
        """Bring cases of a modality, (b, ...), to the shape that all encoders read."""
        return values

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the specific encoders, in channel order."""
        return tuple(self.specific)

    def encode(self, inputs: Inputs, presence: Tensor) -> SharedSpecific:
        """Return shared and specific features of the acquired modalities.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            presence: (B, M) bool; on the CPU it costs no device sync.
        """
        present = presence.cpu()
        refuse_empty(present)
        shared: dict[tuple[int, int], Levels] = {}
        specific: dict[tuple[int, int], Levels] = {}
        parts = of_each_modality(inputs, self.modalities)
        for m, (name, values) in enumerate(zip(self.modalities, parts, strict=True)):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                encoded = self._encode_modality(name, chosen_cases(values, cases))
                for b, (r, s) in zip(cases.tolist(), encoded, strict=True):
                    shared[b, m], specific[b, m] = r, s
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
            Logits (B, R, ...) and equal weights (B, M, R), float32.
        """
        levels = zip(encoded.shared, encoded.specific, self.projections, strict=True)
        fused = [_fused(r, s, projection, presence) for r, s, projection in levels]
        logits = self._decode(fused).float()
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
        cases, places = presence.nonzero(as_tuple=True)
        means = _means(features.specific[-1])[cases, places]
        scores = self.domain_classifier(means).float()
        domain = cross_entropy(scores, on_device(places, scores))
        return _alignment(features.shared[-1].float(), presence), domain

    def _encode_modality(self, name: str, values: Tensor) -> list[tuple[Levels, Levels]]:
        """Encode cases of a modality: r and s of each."""
        cases: list[tuple[Levels, Levels]] = []
        for batch in in_batches(values):
            read = self._stem(name, batch)
            shared = _by_case(self._levels(self.shared, read))
            cases += zip(shared, _by_case(self._levels(self.specific[name], read)), strict=True)
        return cases


def _alignment(shared: Tensor, presence: Tensor) -> Tensor:
    """Average the L1 distance between two modalities of a case over all such pairs: of (B, M, F,
    ...) to a scalar.
    """
    distances = []
    for m, n in combinations(range(shared.shape[1]), 2):
        cases = (presence[:, m] & presence[:, n]).nonzero().flatten()
        distances.append((shared[cases, m] - shared[cases, n]).abs().flatten(1).mean(dim=1))
    found = torch.cat(distances) if distances else shared.new_zeros(0)
    return found.mean() if len(found) else shared.new_zeros(())


def _by_case(levels: Sequence[Tensor]) -> list[Levels]:
    """Take levels of several cases, (b, F, ...), apart: per case every level's (F, ...)."""
    return list(zip(*(level.unbind() for level in levels), strict=True))


def _stacked(found: Mapping[tuple[int, int], Levels], shape: Sequence[int]) -> list[Tensor]:
    """Put every case's and modality's levels, each (F, ...), at their places in (B, M, F, ...)."""
    levels = zip(*found.values(), strict=True)
    return [stack_present(dict(zip(found, level, strict=True)), shape) for level in levels]


def _fused(shared: Tensor, specific: Tensor, projection: nn.Module, presence: Tensor) -> Tensor:
    """Fuse r and s (B, M, F, ...), stand in for what is missing, concatenate: (B, M * F, ...)."""
    flags = with_axes_of(on_device(presence, shared), shared)
    total = torch.where(flags, shared, 0.0).sum(dim=1, keepdim=True)
    stand_in = total / flags.sum(dim=1, keepdim=True).clamp(min=1)
    both = torch.cat([shared, specific], dim=2).flatten(0, 1)
    fused = projection(both).unflatten(0, shared.shape[:2]) + shared
    return torch.where(flags, fused, stand_in.to(fused.dtype)).flatten(1, 2)


def _means(features: Tensor) -> Tensor:
    """Average feature maps over their places: (B, M, F, ...) to (B, M, F)."""
    return features if features.dim() == len("BMF") else features.flatten(3).mean(dim=3)
