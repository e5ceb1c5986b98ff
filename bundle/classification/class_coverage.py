"""Hides modalities of training cases, to learn what their absence in training costs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bundle.classification.class_cases import ClassCases, Inputs
from bundle.errors import UsageError


@dataclass(frozen=True)
class Hidden:
    """Reads cases with what they do not have set to 0.

    Attributes:
        cases: as they are.
        presence: (N, M) bool, of what may be seen.
    """

    cases: ClassCases
    presence: Tensor

    def __call__(self, positions: Sequence[int]) -> Inputs:
        """Return the inputs of some cases."""
        inputs = self.cases.read(positions)
        for m, name in enumerate(self.cases.modalities):
            absent = ~self.presence[list(positions), m]
            if absent.any():
                inputs[name] = inputs[name].clone()
                inputs[name][absent] = 0
        return inputs


def keep_share(cases: ClassCases, coverage: Mapping[str, float], seed: int) -> ClassCases:
    """Leave a modality only to a share of the cases that have it, spread over the classes in their
    proportions.

    A case that has nothing else keeps it, and counts among those that do. The cases of a smaller
    share are among those of a larger one. Every modality must be left to some case: an expert
    without any cannot be trained.

    Args:
        cases: of a training.
        coverage: modality to share, above 0 to 1; those that are not named stay as they are.
        seed: draws the cases, for each modality on its own, whatever the order of the cases.

    Raises:
        UsageError: E_COVERAGE, an unknown modality, a share that is none, or a modality that no
            case would have.

    Source: Li et al., SimMLM, arXiv:2507.19264, Fig. A2 of the supplement (coverage of 5 to 50 %).
    """
    unknown = [name for name in coverage if name not in cases.modalities]
    odd = [name for name, share in coverage.items() if not 0 < share <= 1]
    if unknown or odd:
        raise UsageError(
            "E_COVERAGE",
            f"coverage must give {' and '.join(cases.modalities)} shares above 0, at most 1;"
            f" got {dict(coverage)}. Give 0.1 for 10 %.",
        )
    presence = cases.presence.clone()
    for m, name in enumerate(cases.modalities):
        if name in coverage:
            presence[_to_hide(cases, presence, m, float(coverage[name]), seed), m] = False
        if not presence[:, m].any():
            raise UsageError(
                "E_COVERAGE",
                f"{name} must be left to some training case; got none of {len(cases)} cases with"
                " it. Give a larger share, or other data.",
            )
    if torch.equal(presence, cases.presence):
        return cases
    return replace(cases, presence=presence, read=Hidden(cases, presence))


def _to_hide(cases: ClassCases, presence: Tensor, m: int, share: float, seed: int) -> list[int]:
    """Return the positions of the cases that lose a modality."""
    having = presence[:, m].nonzero().flatten().tolist()
    alone = {position for position in having if presence[position].sum() == 1}
    kept = max(round(share * len(having)), len(alone))
    order = _spread(cases, having, f"{seed} {cases.modalities[m]}")
    order.sort(key=lambda position: position not in alone)  # stable
    return order[kept:]


def _spread(cases: ClassCases, positions: Sequence[int], seed: str) -> list[int]:
    """Order cases so that any first part of them holds the classes in the proportions of all, as
    far as whole cases can.
    """
    generator = np.random.default_rng(list(seed.encode()))
    by_name = sorted(positions, key=lambda position: cases.case_ids[position])
    shuffled = generator.permutation(np.array(by_name, np.int64)).tolist()
    sizes = Counter(int(cases.labels[position]) for position in shuffled)
    seen: Counter[int] = Counter()
    place = {}
    for position in shuffled:
        label = int(cases.labels[position])
        place[position] = (seen[label] + 0.5) / sizes[label]
        seen[label] += 1
    return sorted(shuffled, key=lambda position: place[position])
