"""The metrics: one entry for each, which says how it is measured, written and compared.

A new metric is an entry of ``METRICS`` and the function that it names.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.region_pair import RegionPair

UNKNOWN = "–"
PERCENT = "%"

_WEIGHT = "weight_"


class Better(IntEnum):
    """Which values of a metric are better; the sign of an improvement."""

    LOWER = -1
    NEITHER = 0
    HIGHER = 1


@dataclass(frozen=True)
class IfEmpty:
    """What a metric is where a region is empty, so that it cannot be measured.

    Attributes:
        right: in prediction and truth.
        wrong: in one of them, where the region was missed or invented; None for the diagonal of the
            grid, in mm.
    """

    right: float
    wrong: float | None


@dataclass(frozen=True)
class Metric:
    """A number that tells how good a prediction is, per case, modality set and region.

    Attributes:
        name: in ``scores.csv`` and on the command line.
        title: in tables.
        unit: as tables show it; values are shares where it is ``PERCENT``.
        digits: behind the point, as tables show it.
        better: which values are.
        needs_truth: it compares with the region of the truth and says nothing without one.
        bounded: values lie in [0, 1].
        signed: positive values are shown with their sign, as errors are.
        if_empty: what it is where a region is empty; None if ``of_regions`` knows.
        heading: of the report's own table of every modality set; None for none.
        correlated: what it is called where gate weights are correlated with it; None for nowhere.
        note: a sentence that tables need beside it.
        of_regions: measures it by the region.
        of_probabilities: measures it by the probabilities in the brain.
    """

    name: str
    title: str
    unit: str = ""
    digits: int = 3
    better: Better = Better.NEITHER
    needs_truth: bool = True
    bounded: bool = False
    signed: bool = False
    if_empty: IfEmpty | None = None
    heading: str | None = None
    correlated: str | None = None
    note: str = ""
    of_regions: Callable[[RegionPair], float] | None = None
    of_probabilities: Callable[[ProbabilityHistogram], float] | None = None

    def __post_init__(self) -> None:
        if self.correlated is not None and not self.bounded:
            raise ValueError(f"{self.name} must be bounded to be correlated with weights.")

    @property
    def full_title(self) -> str:
        """The title with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def measure(self, pair: RegionPair) -> float:
        """Measure a predicted region beside the true one."""
        assert self.of_regions is not None
        if self.if_empty is None or (pair.n_predicted and pair.n_true):
            return self.of_regions(pair)
        if pair.n_predicted == pair.n_true:
            return self.if_empty.right
        return pair.diagonal_mm if self.if_empty.wrong is None else self.if_empty.wrong

    def shown(self, value: float, sign: str = "") -> str:
        """Write a value in the unit of the title; with ``sign`` "+" also that of positive ones."""
        if math.isnan(value):
            return UNKNOWN
        scale = 100 if self.unit == PERCENT else 1
        rounded = round(scale * value, self.digits) + 0.0  # or else -0.04 would be -0.0
        sign = "+" if self.signed else sign
        return f"{rounded:{sign if rounded else ''}.{self.digits}f}"

    def shown_interval(self, mean: float, low: float, high: float, sign: str = "") -> str:
        """Write a mean with its interval, if it has one: ``71.2 (65.0–77.1)``."""
        if math.isnan(low):
            return self.shown(mean, sign)
        ends = self.shown(low, sign), self.shown(high, sign)
        is_signed = any(end[:1] in ("+", "-") for end in ends)
        between = " to " if is_signed else "–"  # a dash beside a sign cannot be read
        return f"{self.shown(mean, sign)} ({between.join(ends)})"

    def convention(self, empty: str) -> str:
        """Say what a region counts that the truth does not have, under ``skip`` or ``one``."""
        if not self.needs_truth:
            return "Cases whose truth does not have the region count too"
        if empty != "skip":
            return f"A region that the truth does not have counts {self._counted}"
        text = "Regions that the truth does not have are left out"
        if self.if_empty is not None and self.if_empty.wrong is None:
            text += ". A region that was missed altogether counts the diagonal of the grid"
        return text

    @property
    def _counted(self) -> str:
        if self.if_empty is None:
            return "too"
        scale = 100 if self.unit == PERCENT else 1
        right, wrong = f"{scale * self.if_empty.right:g}", "the diagonal of the grid"
        if self.if_empty.wrong is not None:
            wrong = f"{scale * self.if_empty.wrong:g}"
        return f"{right} if nothing was predicted there, else {wrong}"


DICE = Metric(
    "dice",
    "Dice",
    PERCENT,
    digits=1,
    better=Better.HIGHER,
    bounded=True,
    if_empty=IfEmpty(right=1.0, wrong=0.0),
    heading="Dice",
    correlated="Dice",
    of_regions=RegionPair.dice,
)
TRUE_VOLUME = Metric(
    "truth_ml", "true volume", "ml", digits=1, needs_truth=False, of_regions=RegionPair.true_ml
)
METRICS = (
    DICE,
    Metric(
        "hd95_mm",
        "HD95",
        "mm",
        digits=1,
        better=Better.LOWER,
        if_empty=IfEmpty(right=0.0, wrong=None),
        heading="95th percentile of the surface distance",
        of_regions=RegionPair.hd95_mm,
    ),
    Metric(
        "surface_dice_1mm",
        "surface Dice at 1 mm",
        PERCENT,
        digits=1,
        better=Better.HIGHER,
        bounded=True,
        if_empty=IfEmpty(right=1.0, wrong=0.0),
        of_regions=RegionPair.surface_dice,
    ),
    Metric(
        "sensitivity",
        "sensitivity",
        PERCENT,
        digits=1,
        better=Better.HIGHER,
        bounded=True,
        of_regions=RegionPair.sensitivity,
    ),
    Metric(
        "precision",
        "precision",
        PERCENT,
        digits=1,
        better=Better.HIGHER,
        bounded=True,
        note="Precision is that of cases with a prediction.",
        of_regions=RegionPair.precision,
    ),
    Metric(
        "volume_error_ml",
        "volume error",
        "ml",
        digits=1,
        needs_truth=False,
        signed=True,
        of_regions=RegionPair.volume_error_ml,
    ),
    TRUE_VOLUME,
    Metric(
        "predicted_ml",
        "predicted volume",
        "ml",
        digits=1,
        needs_truth=False,
        of_regions=RegionPair.predicted_ml,
    ),
    Metric(
        "ece",
        "expected calibration error",
        PERCENT,
        digits=2,
        better=Better.LOWER,
        bounded=True,
        heading="Expected calibration error",
        of_probabilities=ProbabilityHistogram.expected_calibration_error,
    ),
    Metric(
        "sce",
        "static calibration error",
        PERCENT,
        digits=2,
        better=Better.LOWER,
        bounded=True,
        of_probabilities=ProbabilityHistogram.static_calibration_error,
    ),
    Metric(
        "entropy_auroc",
        "AUROC of the entropy for wrong voxels",
        better=Better.HIGHER,
        bounded=True,
        of_probabilities=ProbabilityHistogram.entropy_auroc,
    ),
    Metric(
        "confidence",
        "mean probability on the region",
        PERCENT,
        digits=1,
        better=Better.HIGHER,
        bounded=True,
        correlated="confidence",
        of_probabilities=ProbabilityHistogram.mean_probability_of_truth,
    ),
)
"""In the order of tables."""

REGION_METRICS = tuple(metric for metric in METRICS if metric.of_regions is not None)
PROBABILITY_METRICS = tuple(metric for metric in METRICS if metric.of_probabilities is not None)
CORRELATED = tuple(metric for metric in METRICS if metric.correlated is not None)

_BY_NAME = {metric.name: metric for metric in METRICS}


def weight_name(modality: str) -> str:
    """Return the name of the metric that is the mean gate weight of a modality."""
    return f"{_WEIGHT}{modality}"


def is_weight(name: str) -> bool:
    """Whether a metric is the mean gate weight of a modality."""
    return name.startswith(_WEIGHT)


def metric_named(name: str, titles: Mapping[str, str]) -> Metric:
    """Return the metric of a name.

    One that is not known, as tables of others may have it, goes by its name.

    Args:
        name: of the metric.
        titles: those of the modalities.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if is_weight(name):
        modality = name.removeprefix(_WEIGHT)
        title = f"weight of {titles[modality]}" if modality in titles else name
        return Metric(name, title, needs_truth=False, bounded=True)
    digits = 1 if name.endswith(("_mm", "_ml")) else 3
    return Metric(name, name, digits=digits, needs_truth=not name.endswith("_ml"))
