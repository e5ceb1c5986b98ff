"""The network: one expert per modality, a gate, a mixer."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from bundle.errors import SetupError
from bundle.mixture.case_batches import in_batches
from bundle.mixture.inputs import of_each_modality, show_present
from bundle.mixture.mixers import adds_logits
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
from bundle.tensors import Inputs

READS = ("inputs", "experts")
"""What a gate may look at."""


class DMoME(ModalityNetwork):
    """Dynamic mixture of modality experts.

    Experts of absent modalities are not run, and nothing that their channels hold, NaN included,
    can reach the result. What an expert says does not depend on the modality set, so ``encode`` is
    called once and ``mix`` once per modality set, at the cost of the gate alone.

    Args:
        experts: one network per modality, to (B, R, ...) logits, or to features if the mixer makes
            logits of them; from (B, 1, ...) where the inputs are one tensor, from the modality's
            own where they are a mapping. All give one shape. Cases must not influence each other
            (instance norm, not batch norm). Their order is that of the channels.
        gate: what it reads to (B, M, R) scores, or (B, M, 1); absent modalities are 0 there. One
            whose ``wants_presence`` is True is called with the presence (B, M), on the CPU, too.
        mixer: (expert logits, scores, presence) to a ``Mixture``.
        gate_reads: ``inputs``, as the paper's gate; or ``experts``, what these say, (B, M, R, ...).
            The latter is ours; an exported network then runs all experts.

    Raises:
        SetupError: E_SETTING, ``gate_reads`` is something else.

    Source: Li et al., SimMLM, arXiv:2507.19264, section on DMoME.
    """

    gate_reads_experts: Final[bool]  # constants, by which TorchScript chooses what to compile
    gate_wants_presence: Final[bool]

    def __init__(
        self,
        experts: Mapping[str, nn.Module],
        gate: nn.Module,
        mixer: nn.Module,
        *,
        gate_reads: str = "inputs",
    ) -> None:
        super().__init__()
        if gate_reads not in READS:
            raise SetupError(
                "E_SETTING",
                f"gate_reads must be one of {', '.join(READS)}; got {gate_reads!r}. Choose one of"
                " them.",
            )
        self.gate_reads_experts = gate_reads == "experts"
        self.gate_wants_presence = bool(getattr(gate, "wants_presence", False))
        self.experts = nn.ModuleDict(experts)
        self.gate = gate
        self.mixer = mixer

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the experts, in channel order."""
        return tuple(self.experts)

    @property
    def finds_where_experts_do(self) -> bool:
        """As ``ModalityNetwork``."""
        return adds_logits(self.mixer) and not self.gate_reads_experts

    def forward(self, inputs: Tensor, presence: Tensor | None = None) -> Tensor:
        """Predict; arguments and result as ``ModalityNetwork.forward``, exported or not."""
        return self.predict(inputs, presence)

    def predict(self, inputs: Tensor, presence: Tensor | None = None) -> Tensor:
        """Do what ``forward`` does.

        An exported file names its inputs after the arguments of ``forward``: for a network that
        needs other names there.
        """
        if torch.jit.is_scripting() or records_graph():
            present = derive_presence(inputs) if presence is None else presence.cpu()
            return self._predict_in_graph(inputs, present)
        return super().forward(inputs, presence)

    def encode(self, inputs: Inputs, presence: Tensor) -> Tensor:
        """Run the experts of present modalities, each on its own.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            Expert logits (B, M, R, ...); entries of absent modalities are 0 and mean nothing.
        """
        present = presence.cpu()
        refuse_empty(present)
        outputs: dict[tuple[int, int], Tensor] = {}
        parts = of_each_modality(inputs, self.modalities)
        for m, (expert, values) in enumerate(zip(self.experts.values(), parts, strict=True)):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                batches = in_batches(chosen_cases(values, cases))
                said = [case for batch in batches for case in expert(batch).unbind()]
                outputs |= {(b, m): case for b, case in zip(cases.tolist(), said, strict=True)}
        return stack_present(outputs, present.shape)

    def mix(self, encoded: Tensor, inputs: Inputs, presence: Tensor) -> Mixture:
        """Weigh and sum what the experts say for one modality set.

        Args:
            encoded: expert logits (B, M, R, ...) from ``encode`` for this set or a superset of it.
            inputs: as for ``encode``; modalities outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, ...) and weights (B, M, R), float32.
        """
        if self.gate_reads_experts:
            read: Inputs = hide_absent(encoded, presence)
        else:
            read = show_present(inputs, presence, self.modalities)
        scores = self.gate(read, presence) if self.gate_wants_presence else self.gate(read)
        mixture: Mixture = self.mixer(encoded, scores, presence)
        return mixture

    def parts(self, encoded: Tensor, mixture: Mixture, presence: Tensor) -> Tensor:
        """Return what each expert adds to the logits, as ``ModalityNetwork.parts``."""
        if not adds_logits(self.mixer):
            return super().parts(encoded, mixture, presence)
        parts: Tensor = self.mixer.parts(encoded, mixture.weights, presence)  # type: ignore[operator]
        return parts

    def _predict_in_graph(self, inputs: Tensor, presence: Tensor) -> Tensor:
        """Predict with nothing that an exported network could not hold.

        TorchScript leaves out the experts of modalities that no case has. A recorded graph cannot
        choose, and a gate that reads experts needs all: there all experts run, those of absent
        modalities on zeros, and get the weight 0.
        """
        if torch.jit.is_scripting():
            refuse_empty(presence)
        shown = hide_absent(inputs, presence)
        said: list[Tensor] = []
        places: list[int] = []
        for m, expert in enumerate(self.experts.values()):
            if self._runs_all() or bool(presence[:, m].any()):
                said.append(expert(shown[:, m : m + 1]))
                places.append(m)
        encoded = torch.stack(said, dim=1)
        read = hide_absent(encoded, presence) if self.gate_reads_experts else shown
        scores = self.gate(read, presence) if self.gate_wants_presence else self.gate(read)
        mixture: Mixture = self.mixer(encoded, scores[:, places], presence[:, places])
        return mixture.logits

    def _runs_all(self) -> bool:
        return self.gate_reads_experts or not torch.jit.is_scripting()
