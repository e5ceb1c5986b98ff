"""The network: one expert per modality, a gate, a mixer."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from bundle.mixture.images import of_each_modality, show_present
from bundle.mixture.mixing import (
    chosen_cases,
    derive_presence,
    hide_absent,
    records_graph,
    refuse_empty,
    stack_present,
)
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Image

LARGE = 2**15
"""Elements of a case from which on a CPU runs an expert case by case."""


class DMoME(ModalityNetwork):
    """Dynamic mixture of modality experts.

    Experts of absent modalities are not run, and nothing that their channels hold, NaN included,
    can reach the result. What an expert says does not depend on the modality set, so ``encode`` is
    called once per window and ``mix`` once per modality set, at the cost of the gate alone.

    Args:
        experts: one network per modality, to (B, R, ...) logits, or to features if the mixer makes
            logits of them; from (B, 1, ...) where an image is one tensor, from the modality's own
            where it is a mapping. All give one shape. Cases must not influence each other
            (instance norm, not batch norm). The order of the mapping is the channel order of the
            image.
        gate: image to (B, M, R) scores; absent modalities are 0.
        mixer: (expert logits, scores, presence) to a ``Mixture``.

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
        """Predict; arguments and result as ``ModalityNetwork.forward``, exported or not."""
        if torch.jit.is_scripting() or records_graph():
            present = derive_presence(image) if presence is None else presence.cpu()
            return self._predict_in_graph(image, present)
        return super().forward(image, presence)

    def encode(self, image: Image, presence: Tensor) -> Tensor:
        """Run the experts of present modalities, each on its own.

        Args:
            image: (B, M, ...), or modality to (B, ...).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            Expert logits (B, M, R, ...); entries of absent modalities are 0 and mean nothing.
        """
        present = presence.cpu()
        refuse_empty(present)
        outputs: dict[tuple[int, int], Tensor] = {}
        parts = of_each_modality(image, self.modalities)
        for m, (expert, values) in enumerate(zip(self.experts.values(), parts, strict=True)):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                said = _run(expert, chosen_cases(values, cases))
                outputs |= {(b, m): case for b, case in zip(cases.tolist(), said, strict=True)}
        return stack_present(outputs, present.shape)

    def mix(self, encoded: Tensor, image: Image, presence: Tensor) -> Mixture:
        """Weigh and sum what the experts say for one modality set.

        Args:
            encoded: expert logits (B, M, R, ...) from ``encode`` for this set or a superset of it.
            image: as for ``encode``; modalities outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, ...) and weights (B, M, R), float32.
        """
        scores = self.gate(show_present(image, presence, self.modalities))
        mixture: Mixture = self.mixer(encoded, scores, presence)
        return mixture

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
        mixture: Mixture = self.mixer(
            torch.stack(said, dim=1), self.gate(shown)[:, places], presence[:, places]
        )
        return mixture.logits


def _run(expert: nn.Module, values: Tensor) -> list[Tensor]:
    """Run an expert and return its output case by case.

    On a CPU large cases go through one by one: there is nothing to launch in parallel, and the
    feature maps of one case fit its caches better. A float32 training step of volumes took 15 to
    20 % less time than with a batch of two.
    """
    one_by_one = values.device.type == "cpu" and prod(values.shape[1:]) >= LARGE
    said: list[Tensor] = []
    for batch in torch.split(values, 1) if one_by_one else [values]:
        said += expert(batch).unbind()
    return said
