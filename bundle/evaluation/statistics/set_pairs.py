"""How often more modalities give a worse result."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.statistics.intervals import bootstrap_ratio, with_nan, without_nan
from bundle.evaluation.task_names import set_members

SMALLEST_LOSS = 1e-6
"""Dice that a larger set must lose to count as worse: less is rounding."""


@dataclass(frozen=True)
class PairRate:
    """Share of pairs in which the larger set is worse.

    Attributes:
        rate: over all cases and pairs; NaN without any.
        low, high: 95 % bootstrap over cases.
        n_pairs: (case, smaller set, larger set) with both Dice known.
    """

    rate: float
    low: float
    high: float
    n_pairs: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; NaN becomes None."""
        return without_nan(asdict(self))

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "PairRate":
        """Read what ``to_json`` returned."""
        return cls(**with_nan(facts))


def nested_pairs(sets: Sequence[str]) -> list[tuple[int, int]]:
    """List the positions of (set, larger set that contains it).

    50 pairs for the 15 sets of four modalities.
    """
    members = [frozenset(set_members(name)) for name in sets]
    return [
        (small, large)
        for small, fewer in enumerate(members)
        for large, more in enumerate(members)
        if fewer and fewer < more
    ]


def counter_intuitive_rates(
    dice: NDArray[np.float64], sets: Sequence[str], seed: int
) -> list[PairRate]:
    """Compute the counter-intuitive rate of each region.

    Args:
        dice: (C, S, R), NaN where unknown.
        sets: their S names.
        seed: of the bootstrap.

    Returns:
        One per region.

    Source: Li et al., SimMLM, arXiv:2507.19264, the counter-intuitive rate of the supplement.
    """
    pairs = np.array(nested_pairs(sets), np.int64).reshape(-1, 2)
    fewer, more = dice[:, pairs[:, 0]], dice[:, pairs[:, 1]]
    known = np.isfinite(fewer) & np.isfinite(more)
    worse = known & (more < fewer - SMALLEST_LOSS)
    n_known = known.sum(axis=1).astype(np.float64)
    columns = bootstrap_ratio(worse.sum(axis=1).astype(np.float64), n_known, seed)
    n_pairs = n_known.sum(axis=0).astype(int).tolist()
    rows = zip(*np.stack(columns).tolist(), n_pairs, strict=True)
    return [PairRate(*row) for row in rows]
