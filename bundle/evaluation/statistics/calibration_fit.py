"""Fits what a network's probabilities lack to be believed: temperatures, and margins of volumes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from bundle.evaluation.judge import Histograms
from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.statistics.gains import Gains
from bundle.files.hashes import sha256_of
from bundle.tasks.task import Task
from bundle.weights.calibration import Calibration

LEVEL = 0.8
"""Share of cases whose true volume shall lie in its interval."""

N_GROUPS = 5
"""Groups of cases; what is measured of a group comes from a fit to the others."""

_TEMPERATURES = (0.05, 20.0)
Cell = tuple[str, int]
"""A region and a number of modalities."""


class Needed(NamedTuple):
    """What one prediction asks of a margin: the logit beyond which nothing is doubted."""

    case: str
    group: int
    logit: float


class CalibrationFit:
    """Gathers the histograms of judged cases, and fits; in which order they come does not matter.

    Cases are dealt to groups by their names, and judged by what the other groups tell.

    Args:
        task: of the network.

    Attributes:
        cases: their names.
        sums: of each group, histograms by region and number of modalities.
        needed: by region and number of modalities, what each prediction asks of a margin.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.cases: set[str] = set()
        self.sums: list[dict[Cell, ProbabilityHistogram]] = [{} for _ in range(N_GROUPS)]
        self.needed: dict[Cell, list[Needed]] = {}

    def add(self, case: str, histograms: Histograms) -> None:
        """Add a case.

        Args:
            case: its name.
            histograms: of the probabilities in the brain, by modality set and region.
        """
        number = int(sha256_of(case.encode(errors="surrogateescape"))[:8], 16) % N_GROUPS
        group = self.sums[number]
        for (modality_set, region), histogram in histograms.items():
            cell = (region, modality_set.count("+") + 1)
            group[cell] = group[cell] + histogram if cell in group else histogram
            needed = Needed(case, number, needed_logit(histogram))
            self.needed.setdefault(cell, []).append(needed)
        self.cases.add(case)

    def join(self, other: "CalibrationFit") -> None:
        """Add the cases of another fit, which must not be among its own."""
        for own, theirs in zip(self.sums, other.sums, strict=True):
            for cell, histogram in theirs.items():
                own[cell] = own[cell] + histogram if cell in own else histogram
        for cell, needed in other.needed.items():
            self.needed.setdefault(cell, []).extend(needed)
        self.cases |= other.cases

    def fitted(
        self, weights_sha256: str, settings: Mapping[str, Any], gains: Gains | None = None
    ) -> Calibration:
        """Fit to all cases.

        Args:
            weights_sha256: of the weights that were judged.
            settings: of the run that judged them.
            gains: of ``gains_of_one_more``, on the same cases.
        """
        everything = range(N_GROUPS)
        temperatures = {cell: temperature(self._sum(cell, everything)) for cell in self._cells()}
        margins = {cell: margin(*self._logits(cell, everything)) for cell in self._cells()}
        divided = {
            cell: None if logit is None else logit / temperatures[cell]
            for cell, logit in margins.items()
        }
        return Calibration(
            weights_sha256,
            self.task.name,
            len(self.cases),
            self._table(temperatures),
            self._table(divided),
            LEVEL,
            gains or {},
            {cell_words(cell): self._measured(cell, temperatures[cell]) for cell in self._cells()},
            settings,
        )

    def _cells(self) -> list[Cell]:
        found = {cell for group in self.sums for cell in group}
        order = self.task.region_names.index
        return sorted(found, key=lambda cell: (order(cell[0]), cell[1]))

    def _measured(self, cell: Cell, of_all: float) -> dict[str, Any]:
        """Say what the error was and is, and how often volumes lay in intervals, each case by a fit
        to cases of other groups; None where there is only one group.
        """
        whole = self._sum(cell, range(N_GROUPS))
        before = whole.expected_calibration_error()
        after, n_judged, n_covered = None, 0, 0
        filled = [g for g in range(N_GROUPS) if cell in self.sums[g]]
        if len(filled) > 1:
            parts = []
            for group in filled:
                others = [other for other in filled if other != group]
                fitted = temperature(self._sum(cell, others))
                parts.append(cooled(self.sums[group][cell], fitted))
                limit = margin(*self._logits(cell, others))
                own, _ = self._logits(cell, [group])
                if limit is not None:
                    n_judged += len(own)
                    n_covered += int((own <= limit).sum())
            after = sum(parts[1:], parts[0]).expected_calibration_error()
        return {
            "temperature": round(of_all, 4),
            "ece_before": _rounded(before),
            "ece_after": None if after is None else _rounded(after),
            "covered": round(n_covered / n_judged, 4) if n_judged else None,
            "predictions": len(self.needed[cell]),
        }

    def _sum(self, cell: Cell, groups: Sequence[int]) -> ProbabilityHistogram:
        parts = [self.sums[group][cell] for group in groups if cell in self.sums[group]]
        return sum(parts[1:], parts[0])

    def _logits(self, cell: Cell, groups: Sequence[int]) -> tuple[NDArray[np.float64], int]:
        """Return what predictions of some groups ask for, and the number of their cases."""
        chosen = [one for one in self.needed[cell] if one.group in groups]
        return np.array([one.logit for one in chosen]), len({one.case for one in chosen})

    def _table(self, values: Mapping[Cell, float | None]) -> dict[str, dict[str, float | None]]:
        table: dict[str, dict[str, float | None]] = {name: {} for name in self.task.region_names}
        for (region, size), value in values.items():
            table[region][str(size)] = None if value is None else round(value, 6)
        return table


def temperature(histogram: ProbabilityHistogram) -> float:
    """Return what logits must be divided by for the smallest negative log-likelihood of the truth.

    1 where the histogram cannot tell, having voxels of one kind only.

    Source: Guo et al. 2017, arXiv:1706.04599, temperature scaling.
    """
    outside, region = histogram.counts
    if not outside.any() or not region.any():
        return 1.0
    used = (outside + region) > 0
    logits, n_region, n_outside = histogram.logits()[used], region[used], outside[used]

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return float(
            n_region @ np.logaddexp(0, -scaled) + n_outside @ np.logaddexp(0, scaled)
        ) / float(n_region.sum() + n_outside.sum())

    bounds = tuple(map(math.log, _TEMPERATURES))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return math.exp(float(found.x))


def cooled(histogram: ProbabilityHistogram, divisor: float) -> ProbabilityHistogram:
    """Return the histogram after all logits were divided."""
    probabilities = 1 / (1 + np.exp(-histogram.logits() / divisor))
    return histogram.moved(probabilities)


def needed_logit(histogram: ProbabilityHistogram) -> float:
    """Return the smallest logit m so that the true volume lies between the voxels with logits above
    m and those above -m.

    Infinite where even all voxels of a probability above 0 are fewer than the truth.
    """
    outside, region = histogram.counts
    n_true, total = int(region.sum()), outside + region
    above = np.concatenate([np.cumsum(total[::-1])[::-1], [0]])  # voxels in a bin and higher ones
    half = len(total) // 2
    logits = histogram.logits()
    if above[half] > n_true:  # too many: how high must the limit be?
        return float(logits[np.flatnonzero(above <= n_true)[0] - 1])
    if above[half] == n_true:
        return 0.0
    enough = np.flatnonzero(above >= n_true)
    last = int(enough[-1]) if len(enough) else 0
    return float(-logits[last]) if last > 0 else math.inf


def margin(logits: NDArray[np.float64], n_cases: int, level: float = LEVEL) -> float | None:
    """Return the logit that a share of new cases will not need more than, as far as cases are drawn
    alike; None where too few cases were seen, or too many need more than there is.

    Args:
        logits: of ``needed_logit``, several predictions per case.
        n_cases: that they are of.
        level: the share.

    Source: Angelopoulos and Bates 2021, arXiv:2107.07511, split conformal prediction.
    """
    share = math.ceil((n_cases + 1) * level) / max(n_cases, 1)
    if not len(logits) or share > 1:
        return None
    found = float(np.sort(logits)[math.ceil(share * len(logits) - 1e-9) - 1])
    return found if math.isfinite(found) else None


def cell_words(cell: Cell) -> str:
    """Name a region and a number of modalities, as ``TC of 2``."""
    region, size = cell
    return f"{region} of {size}"


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def rows(calibration: Calibration) -> Iterator[tuple[str, ...]]:
    """Return what was measured as rows of words: region, number of modalities, temperature, error
    before and after, and share of volumes in their intervals, in percent.
    """
    for name, found in calibration.measured.items():
        region, size = name.split(" of ")
        yield (
            region,
            size,
            f"{found['temperature']:.2f}",
            *(_percent(found[key]) for key in ("ece_before", "ece_after", "covered")),
        )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
