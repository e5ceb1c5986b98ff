"""Cases of several modalities that each belong to one class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Inputs = dict[str, Tensor]
"""Modality to (B, ...): what a network of classes reads; zeros where a case lacks the modality."""


@dataclass(frozen=True)
class ClassCases:
    """Labelled cases, of which each has at least one modality.

    Attributes:
        modalities: names, in the network's order.
        classes: names, in the order of the network's logits.
        case_ids: N distinct names.
        labels: (N,) int64, positions in ``classes``.
        presence: (N, M) bool, True = there.
        read: positions of cases to their inputs; can be sent to other processes.
    """

    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    case_ids: tuple[str, ...]
    labels: Tensor
    presence: Tensor
    read: Callable[[Sequence[int]], Inputs]

    def __len__(self) -> int:
        return len(self.case_ids)


@dataclass(frozen=True)
class InMemory:
    """Reads cases that are held as tensors.

    Attributes:
        tensors: modality to (N, ...).
    """

    tensors: Mapping[str, Tensor]

    def __call__(self, positions: Sequence[int]) -> Inputs:
        """Return the inputs of some cases."""
        return {name: values[list(positions)] for name, values in self.tensors.items()}
