"""A gate that knows which modalities are there."""

from typing import Final

from torch import Tensor, nn

from bundle.mixture.mixing import on_device


class PresenceGate(nn.Module):
    """Adds to a gate's scores what a linear layer makes of the presence flags.

    A gate sees zeros where a modality is absent, which it may not tell from a dull one: whether to
    trust a modality can depend on which others there are. The layer starts at zero, so that
    training starts from the gate as it is. This is ours, not the paper's.

    A gate that has to know the presence says so by ``wants_presence = True``, and is then called
    with it as a second argument. Gates that do not stay functions of one argument, as the paper's
    is; no caller looks into a gate to find out which it has.

    Args:
        gate: of any kind, with scores (B, M, R).
        n_modalities: M.
        n_scores: R.
    """

    wants_presence = True
    inner_wants_presence: Final[bool]  # a constant, by which TorchScript chooses what to compile

    def __init__(self, gate: nn.Module, n_modalities: int, n_scores: int = 1) -> None:
        super().__init__()
        self.gate = gate
        self.inner_wants_presence = bool(getattr(gate, "wants_presence", False))
        self.linear = nn.Linear(n_modalities, n_modalities * n_scores)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: Tensor, presence: Tensor) -> Tensor:
        """Score the modalities.

        Args:
            inputs: what the gate reads: (B, M, ...), or modality to (B, ...). The annotation names
                the one kind that TorchScript takes.
            presence: (B, M) bool.

        Returns:
            (B, M, R) scores, unbounded.
        """
        if self.inner_wants_presence:
            scores: Tensor = self.gate(inputs, presence)
        else:
            scores = self.gate(inputs)
        flags = on_device(presence, scores).to(scores.dtype)
        return scores + self.linear(flags).reshape(scores.shape)
