"""The network: one expert per modality, a gate, a mixer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixing import derive_presence, hide_absent


class DMoME(nn.Module):
    """Dynamic mixture of modality experts.

    Experts of absent modalities are not run, and nothing that their channels hold, NaN included, can
    reach the result. Expert logits do not depend on the modality set, so ``expert_logits`` is called
    once per window and ``mix`` once per modality set, at the cost of the gate alone.

    Args:
        experts: one network per modality, (B, 1, H, W, D) to (B, R, H, W, D) logits; the order of the
            mapping is the channel order of the image.
        gate: (B, M, H, W, D) to (B, M, R) scores.
        mixer: (expert logits, scores, presence) to (logits, weights).

    Source: Li et al., SimMLM, arXiv:2507.19264, section on DMoME.
    """

    def __init__(self, experts: Mapping[str, nn.Module], gate: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.experts = nn.ModuleDict(experts)
        self.gate = gate
        self.mixer = mixer

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the experts, in channel order."""
        return tuple(self.experts)

    def forward(self, image: Tensor, presence: Tensor | None = None) -> Tensor:
        """Predict one window or volume.

        Args:
            image: (B, M, H, W, D), z-scored per modality.
            presence: (B, M) bool, True = acquired. Left out, it is read off the image, which is right for
                whole volumes only.

        Returns:
            (B, R, H, W, D) logits of overlapping regions.
        """
        presence = derive_presence(image) if presence is None else presence
        logits, _ = self.mix(self.expert_logits(image, presence), image, presence)
        return logits

    def expert_logits(self, image: Tensor, presence: Tensor) -> Tensor:
        """Run the experts of present modalities, each on its own channel.

        Args:
            image: (B, M, H, W, D).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, R, H, W, D); entries of absent modalities are 0 and mean nothing.
        """
        present = presence.cpu()
        outputs = [
            _run_where(expert, image[:, m : m + 1], present[:, m]) for m, expert in enumerate(self.experts.values())
        ]
        run = next(output for output in outputs if output is not None) if present.any() else None
        if run is None:
            raise ValueError("presence must have at least one modality; got none. Give one modality of the case.")
        return torch.stack([torch.zeros_like(run) if output is None else output for output in outputs], dim=1)

    def mix(self, expert_logits: Tensor, image: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh and sum the experts' logits for one modality set.

        Args:
            expert_logits: (B, M, R, H, W, D) from ``expert_logits`` for this set or a superset of it.
            image: (B, M, H, W, D); channels outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, H, W, D) and weights (B, M, R), float32.
        """
        scores = self.gate(hide_absent(image, presence))
        logits, weights = self.mixer(expert_logits, scores, presence)
        return logits, weights


def _run_where(expert: nn.Module, channel: Tensor, present: Tensor) -> Tensor | None:
    """Run an expert on those cases of a batch that have its modality; None where none has."""
    if not present.any():
        return None
    if present.all():
        output: Tensor = expert(channel)
        return output
    rows = present.nonzero().squeeze(1).to(channel.device)
    some: Tensor = expert(channel[rows])
    everything = some.new_zeros((channel.shape[0], *some.shape[1:]))
    return everything.index_copy(0, rows, some)
