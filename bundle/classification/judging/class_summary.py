"""What a report says of a network that predicts classes."""

from dataclasses import dataclass
from typing import Any

from bundle.classification.judging.class_metrics import (
    accuracy,
    calibration_error,
    counter_intuitive,
    mean_weights,
    negative_log_likelihood,
    weights_and_confidence,
)
from bundle.classification.judging.class_scores import ClassScores
from bundle.evaluation.reports.markup import markdown_table, markdown_text
from bundle.evaluation.statistics.correlations import Correlation
from bundle.evaluation.statistics.intervals import Interval
from bundle.evaluation.statistics.set_pairs import PairRate
from bundle.evaluation.task_names import TaskNames

METRICS = {
    "accuracy": accuracy,
    "calibration_error": calibration_error,
    "negative_log_likelihood": negative_log_likelihood,
}


@dataclass(frozen=True)
class ClassSummary:
    """Averages over the cases of a run.

    Attributes:
        names: of the task and its modalities.
        n_cases: number of cases.
        means: name of a metric to modality set to mean.
        counter_intuitive: kind to rate, see ``class_metrics.counter_intuitive``.
        weights: modality set to modality to the gate's mean weight.
        weights_and_confidence: see there.
    """

    names: TaskNames
    n_cases: int
    means: dict[str, dict[str, Interval]]
    counter_intuitive: dict[str, PairRate]
    weights: dict[str, dict[str, float]]
    weights_and_confidence: dict[str, Correlation]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "task": self.names.to_json(),
            "n_cases": self.n_cases,
            "means": {
                metric: {name: one.to_json() for name, one in means.items()}
                for metric, means in self.means.items()
            },
            "counter_intuitive": {
                kind: rate.to_json() for kind, rate in self.counter_intuitive.items()
            },
            "weights": self.weights,
            "weights_and_confidence": {
                name: one.to_json() for name, one in self.weights_and_confidence.items()
            },
        }

    def to_markdown(self) -> str:
        """Return the tables of a report."""
        return "\n\n".join([self._of_sets(), self._of_pairs(), self._of_gate()])

    def _of_sets(self) -> str:
        rows = []
        for name in self.means["accuracy"]:
            cells = [
                _shown(self.means["accuracy"][name], 100, 2),
                _shown(self.means["calibration_error"][name], 100, 2),
                _shown(self.means["negative_log_likelihood"][name], 1, 3),
                str(self.means["accuracy"][name].n),
            ]
            rows.append([markdown_text(self.names.set_title(name)), *cells])
        head = ["modalities", "accuracy, %", "ECE, %", "negative log-likelihood, nats", "cases"]
        return markdown_table(head, rows)

    def _of_pairs(self) -> str:
        words = {
            "right_to_wrong": "more modalities turn a right class into a wrong one",
            "confidence_falls": "more modalities make the right class less probable",
        }
        rows = [
            [words[kind], _shown(rate, 100, 2), str(rate.n_pairs)]
            for kind, rate in self.counter_intuitive.items()
        ]
        return markdown_table(["counter-intuitive pairs", "share, %", "pairs"], rows)

    def _of_gate(self) -> str:
        everything = list(self.weights)[-1]
        rows = []
        for name, weight in self.weights[everything].items():
            r = self.weights_and_confidence[name]
            title = markdown_text(self.names.titles[name])
            rows.append([title, f"{weight:.3f}", _shown(r, 1, 2)])
        head = ["modality", "mean weight among all", "its correlation with the confidence alone"]
        return markdown_table(head, rows)


def summarise_classes(scores: ClassScores, names: TaskNames, *, seed: int = 0) -> ClassSummary:
    """Average scores over cases.

    Args:
        scores: of a run.
        names: of the task and its modalities.
        seed: of the bootstrap.
    """
    known = [name for place, name in enumerate(scores.sets) if scores.is_known[:, place].any()]
    means = {
        metric: {name: compute(scores, name, seed) for name in known}
        for metric, compute in METRICS.items()
    }
    weights = {name: mean for name, mean in mean_weights(scores).items() if name in known}
    return ClassSummary(
        names,
        len(scores.cases),
        means,
        counter_intuitive(scores, seed),
        weights,
        weights_and_confidence(scores, seed),
    )


def _shown(found: Interval | PairRate | Correlation, factor: float, digits: int) -> str:
    """Write a value with its interval: ``96.89 (95.10 to 98.40)``."""
    if isinstance(found, Interval):
        value = found.mean
    else:
        value = found.rate if isinstance(found, PairRate) else found.r
    numbers = [f"{factor * number:.{digits}f}" for number in (value, found.low, found.high)]
    return f"{numbers[0]} ({numbers[1]} to {numbers[2]})"
