"""A segmented case as its outputs take it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.cases.case_record import CaseRecord


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What was computed for a case, on the grid of its files.

    Attributes:
        record: what is known about the case besides its voxels.
        label: (H, W, D) uint8, the task's values.
        entropy: (1, H, W, D), or (1 + R, H, W, D) where each region has its own after the largest
            of them; bits.
        weights: (M, H, W, D), or (M * R, H, W, D) where each region has its own.
        facts: modalities, volumes, mean weights, warnings; plain JSON.
        computed_s: seconds from the first byte read to the last map, without waiting in between for
            other cases, whose reading and writing beside it makes it longer; None where nobody
            measured.
        probabilities: (R, H, W, D), where they were kept.
        contributions: (M, H, W, D), or (M * R, H, W, D) where each region has its own; where they
            were made.
        decided_by: (H, W, D) uint8, number of a modality, from 1; likewise.
    """

    record: CaseRecord
    label: NDArray[np.uint8]
    entropy: NDArray[np.float32]
    weights: NDArray[np.float32]
    facts: Mapping[str, Any]
    computed_s: float | None = None
    probabilities: NDArray[np.float32] | None = None
    contributions: NDArray[np.float32] | None = None
    decided_by: NDArray[np.uint8] | None = None

    @classmethod
    def of_case(cls, case: Mapping[str, Any], computed_s: float | None = None) -> "CaseResult":
        """Take a result out of a case after post-processing, see ``maps.SplitMapsd``."""
        return cls(
            CaseRecord.from_json(case["record"]),
            _array(case["pred"])[0].astype(np.uint8, copy=False),
            _array(case["entropy"]).astype(np.float32, copy=False),
            _array(case["weights"]).astype(np.float32, copy=False),
            case["result"],
            computed_s,
            _array(case["probabilities"]) if "probabilities" in case else None,
            _array(case["contributions"]) if "contributions" in case else None,
            _array(case["decided_by"])[0] if "decided_by" in case else None,
        )


def _array(values: Any) -> NDArray[Any]:
    return torch.as_tensor(values).numpy(force=True)
