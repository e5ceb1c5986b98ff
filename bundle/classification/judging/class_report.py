"""Gathers what an evaluator predicts, and writes the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai
import torch
from ignite.engine import Engine, Events

from bundle import __version__
from bundle.classification.class_cases import ClassCases
from bundle.classification.judging.class_scores import ClassScores, scores_of
from bundle.classification.judging.class_summary import summarise_classes
from bundle.errors import UsageError
from bundle.evaluation.judged_run import SCORES, SUMMARY
from bundle.evaluation.task_names import TaskNames
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.files.json_file import write_json
from bundle.tasks.class_task import ClassTask

REPORT = "report.md"


class ClassReport:
    """Write what a network says of labelled cases from every set of their modalities.

    | file | content |
    | --- | --- |
    | ``scores.csv`` | per case and set: class, predicted class, probabilities, the gate's weights |
    | ``summary.json`` | means with intervals, counter-intuitive rates, correlations, versions |
    | ``report.md`` | the same for people |

    Args:
        output_dir: where the files go.
        cases: that are judged, in the evaluator's order.
        task: has the modalities.
        seed: of the bootstrap.
        facts: what else should stand in the summary, such as the settings.
    """

    def __init__(
        self,
        output_dir: Path | str,
        cases: ClassCases,
        task: ClassTask,
        *,
        seed: int = 0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.cases = cases
        titles = {modality.name: modality.title for modality in task.modalities}
        self.names = TaskNames(task.name, titles, ())
        self.seed = seed
        self.facts = dict(facts or {})
        self._predicted: list[dict[str, torch.Tensor]] = []

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator that does not decollate, with ``ClassSetInferer``."""
        engine.add_event_handler(Events.STARTED, self._predicted.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def scores(self) -> ClassScores:
        """Return the scores of what was predicted so far."""
        joined = {
            name: torch.cat([batch[name] for batch in self._predicted]).double().numpy()
            for name in ("probabilities", "weights")
        }
        right = [self.cases.classes[position] for position in self.cases.labels.tolist()]
        return scores_of(
            {"case": self.cases.case_ids, "class": right},
            joined["probabilities"],
            joined["weights"],
            classes=self.cases.classes,
            names=self.names,
        )

    def write(self) -> None:
        """Write all files.

        Raises:
            OutputError: a file cannot be written.
        """
        scores = self.scores()
        summary = summarise_classes(scores, self.names, seed=self.seed)
        make_folder(self.output_dir)
        scores.write(self.output_dir / SCORES)
        facts = {**summary.to_json(), "versions": _versions(), **self.facts}
        write_json(self.output_dir / SUMMARY, facts)
        with appearing_at_once(self.output_dir / REPORT) as file:
            head = f"# Evaluation\n\n{len(scores.cases)} cases of {self.names.task}."
            made = f"Intervals: 95 % bootstrap over cases. Made by `simmlm evaluate` {__version__}."
            file.write(f"{head} {made}\n\n{summary.to_markdown()}\n".encode())

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        self._predicted.append(state.output["pred"])


def check_cases(cases: ClassCases, classes: tuple[str, ...]) -> ClassCases:
    """Return cases whose classes are those of a network.

    Raises:
        UsageError: E_CLASSES, they have others.
    """
    if tuple(cases.classes) != tuple(classes):
        other = sorted(set(cases.classes) ^ set(classes)) or ["another order"]
        raise UsageError(
            "E_CLASSES",
            f"The cases must have the {len(classes)} classes that the weights were trained for; got"
            f" {len(cases.classes)}, differing in {', '.join(other[:3])}. Judge them with weights"
            " that were trained on such cases.",
        )
    return cases


def _versions() -> dict[str, str]:
    return {"simmlm": __version__, "monai": monai.__version__, "torch": torch.__version__}
