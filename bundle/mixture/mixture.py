"""What mixing gives."""

from typing import NamedTuple

from torch import Tensor


class Mixture(NamedTuple):
    """A prediction from one modality set.

    Attributes:
        logits: (B, R, ...), float32.
        weights: (B, M, R), float32; 0 for absent modalities, summing to 1 over M. (B, M, 1) where a
            modality has the same in all R.
    """

    logits: Tensor
    weights: Tensor
