"""What training and inference ask of a network that predicts from any set of modalities."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from bundle.errors import SetupError
from bundle.mixture.inputs import presence_in
from bundle.mixture.mixing import derive_presence
from bundle.mixture.mixture import Mixture


class ModalityNetwork(nn.Module, ABC):
    """Predicts from whatever modalities a case has, in two steps.

    ``encode`` does once what serves every subset of a modality set; ``mix`` does the rest for one
    set. Two sets of one sample, or all sets of one case, cost the first step once. Nothing that an
    absent modality holds, NaN included, reaches a result.

    Inputs are one tensor (B, M, ...) with the modalities as channels, or a mapping of modality to
    tensor (B, ...), of shapes of their own. A network that was exported takes one tensor.
    """

    __jit_unused_properties__ = (
        "modalities",
        "finds_where_experts_do",
    )  # TorchScript would try to compile it

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the channels."""

    @property
    def finds_where_experts_do(self) -> bool:
        """Whether every logit of a mixture is a sum of experts' logits with weights that are not
        negative, and ``mix`` may be given a part of what ``encode`` says along its last axes.
        """
        return False

    @abstractmethod
    def encode(self, inputs: Any, presence: Tensor) -> Any:
        """Compute what all subsets of ``presence`` have in common.

        Args:
            inputs: (B, M, ...), or modality to (B, ...); normalised per modality.
            presence: (B, M) bool; on the CPU it costs no device sync.

        Returns:
            (B, M, ...), or whatever else this network's ``mix`` reads; for it alone.
        """

    @abstractmethod
    def mix(self, encoded: Any, inputs: Any, presence: Tensor) -> Mixture:
        """Predict from one modality set.

        Args:
            encoded: from ``encode`` for this set or a superset of it.
            inputs: as for ``encode``; modalities outside the set are ignored.
            presence: (B, M) bool, the set; on the CPU it costs no device sync.

        Returns:
            Logits (B, R, ...) and the modalities' weights (B, M, R), which sum to 1 over M;
            float32.
        """

    def parts(self, encoded: Any, mixture: Mixture, presence: Tensor) -> Tensor:  # noqa: ARG002
        """Return what each modality adds to the logits of a mixture.

        Args:
            encoded: as ``mix`` got it.
            mixture: what that gave.
            presence: (B, M) bool, as it got it.

        Returns:
            (B, M, R, ...) float32, 0 for absent modalities; over M they sum to the logits.

        Raises:
            SetupError: E_SETTING, the logits of this network are no such sum.
        """
        mixing = type(getattr(self, "mixer", self)).__name__
        raise SetupError(
            "E_SETTING",
            "contributions must be none where what the experts say is not added up to the logits;"
            f" got a {mixing}. Change the setting.",
        )

    def forward(self, inputs: Tensor, presence: Tensor | None = None) -> Tensor:
        """Predict a batch of cases, or of parts of them.

        Args:
            inputs: (B, M, ...), or modality to (B, ...); normalised per modality. The annotation
                names the one kind that TorchScript takes.
            presence: (B, M) bool, True = acquired. Left out, it is read off the inputs, which
                is right for whole cases only.

        Returns:
            (B, R, ...) logits of overlapping regions, or of classes.
        """
        if presence is not None:
            present = presence.cpu()
        elif torch.jit.is_scripting() or isinstance(inputs, Tensor):
            present = derive_presence(inputs)
        else:
            present = presence_in(inputs, self.modalities)  # type: ignore[unreachable]
        return self.mix(self.encode(inputs, present), inputs, present).logits
