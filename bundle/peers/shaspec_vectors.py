"""ShaSpec of feature vectors: modalities of any shapes, such as those of a task of classes."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from bundle.peers.shared_specific import SharedSpecificNetwork


class ShaSpecVectors(SharedSpecificNetwork):
    """Shared-specific feature modelling of one vector per modality, as the paper has it.

    Args:
        stems: one network per modality, from its own shape to (B, F), what both of its encoders
            read. Their order is that of the channels.
        shared: the shared encoder, (B, F) to (B, F).
        specific: one encoder per modality, (B, F) to (B, F).
        decoder: (B, M * F) to logits (B, C).
        n_features: F.

    Raises:
        ValueError: stems and specific encoders are for different modalities.

    Source: Wang et al., ShaSpec, arXiv:2307.14126, see ``SharedSpecificNetwork``.
    """

    def __init__(
        self,
        stems: Mapping[str, nn.Module],
        shared: nn.Module,
        specific: Mapping[str, nn.Module],
        decoder: nn.Module,
        n_features: int,
    ) -> None:
        super().__init__()
        if list(stems) != list(specific):
            raise ValueError(f"specific must be for {', '.join(stems)}; got {', '.join(specific)}.")
        self.stems = nn.ModuleDict(stems)
        self.shared = shared
        self.specific = nn.ModuleDict(specific)
        self.decoder = decoder
        self.projections = nn.ModuleList([nn.Linear(2 * n_features, n_features)])
        self.domain_classifier = nn.Linear(n_features, len(stems))

    def _stem(self, name: str, values: Tensor) -> Tensor:
        read: Tensor = self.stems[name](values)
        return read

    def _levels(self, encoder: nn.Module, values: Tensor) -> Sequence[Tensor]:
        return [encoder(values)]

    def _decode(self, fused: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.decoder(fused[0])
        return logits
