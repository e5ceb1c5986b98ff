"""The network: one expert per modality, a gate, a mixer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import (
    derive_presence,
    hide_absent,
    on_device,
    records_graph,
    refuse_empty,
    stack_present,
)
from bundle.mixture.modality_network import ModalityNetwork


class DMoME(ModalityNetwork):
    """Dynamic mixture of modality experts.

    Experts of absent modalities are not run, and nothing that their channels hold, NaN included,
    can reach the result. What an expert says does not depend on the modality set, so
    ``expert_logits`` is called once per window and ``mix`` once per modality set, at the cost of
    the gate alone.

    Args:
        experts: one network per modality, (B, 1, H, W, D) to (B, R, H, W, D) logits, or to feature
            maps if the mixer makes logits of them; cases must not influence each other (instance
            norm, not batch norm). The order of the mapping is the channel order of the image.
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
        """Predict one window or volume; arguments and result as ``ModalityNetwork.forward``,
        exported or not.
        """
        if torch.jit.is_scripting() or records_graph():
            return self._predict_in_graph(
                image, derive_presence(image) if presence is None else presence.cpu()
            )
        return super().forward(image, presence)

    def expert_logits(self, image: Tensor, presence: Tensor) -> Tensor:
        """Run the experts of present modalities, each on its own channel.

        Args:
            image: (B, M, H, W, D).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, R, H, W, D); entries of absent modalities are 0 and mean nothing.
        """
        present = presence.cpu()
        refuse_empty(present)
        outputs: dict[tuple[int, int], Tensor] = {}
        for m, expert in enumerate(self.experts.values()):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                said = _run(expert, _rows(image[:, m : m + 1], cases))
                outputs |= {(b, m): case for b, case in zip(cases.tolist(), said, strict=True)}
        return stack_present(outputs, present.shape)

    def mix(self, expert_logits: Tensor, image: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh and sum what the experts say for one modality set.

        Args:
            expert_logits: (B, M, R, H, W, D) from ``expert_logits`` for this set or a superset of
                it.
            image: (B, M, H, W, D); channels outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, H, W, D) and weights (B, M, R), float32.
        """
        scores = self.gate(hide_absent(image, presence))
        logits, weights = self.mixer(expert_logits, scores, presence)
        return logits, weights

    def _predict_in_graph(self, image: Tensor, presence: Tensor) -> Tensor:
        """Predict with nothing that an exported network could not hold.

        TorchScript leaves out the experts of modalities that no case has. A recorded graph cannot
        choose: there all experts run, those of absent modalities on zeros, and get the weight 0.
        """
        if torch.jit.is_scripting():
            refuse_empty(presence)
        shown = hide_absent(image, presence)
        said: list[Tensor] = []
        places: list[int] = []
        for m, expert in enumerate(self.experts.values()):
            if not torch.jit.is_scripting() or bool(presence[:, m].any()):
                said.append(expert(shown[:, m : m + 1]))
                places.append(m)
        logits, _ = self.mixer(
            torch.stack(said, dim=1), self.gate(shown)[:, places], presence[:, places]
        )
        return logits


def _rows(channel: Tensor, cases: Tensor) -> Tensor:
    """Take some cases of a batch; all of them are not copied."""
    return (
        channel
        if len(cases) == len(channel)
        else channel.index_select(0, on_device(cases, channel))
    )


def _run(expert: nn.Module, channel: Tensor) -> list[Tensor]:
    """Run an expert and give its output case by case.

    On a CPU the cases go through one by one: there is nothing to launch in parallel, and the
    feature maps of one case fit its caches better. A float32 training step took 15 to 20 % less
    time than with a batch of two.
    """
    batches = torch.split(channel, 1) if channel.device.type == "cpu" else [channel]
    return [case for batch in batches for case in expert(batch).unbind()]
