"""Networks of classes from Python: judge one on labelled cases, classify a case with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bundle.classification.class_inferer import ClassSetInferer
from bundle.classification.judging.class_report import REPORT
from bundle.classification.kept_weights import AboutWeights, read_about
from bundle.config_files import config_set
from bundle.configuration import load_config
from bundle.errors import SetupError, UsageError
from bundle.evaluation.task_names import TaskNames
from bundle.settings import SETTINGS
from bundle.tasks.class_task import ClassTask, load_class_task

if TYPE_CHECKING:
    from bundle.bundle_config import BundleConfig

N_SHOWN = 3


@dataclass(frozen=True)
class Answer:
    """What a network says of one case.

    Attributes:
        task: by name.
        modalities: that the case has.
        missing: that it does not have.
        probabilities: set of the case's modalities to class to probability, the largest set last.
        weights: modality to the gate's weight, of those that the case has.
    """

    task: str
    modalities: tuple[str, ...]
    missing: tuple[str, ...]
    probabilities: dict[str, dict[str, float]]
    weights: dict[str, float]

    @property
    def predicted(self) -> str:
        """The most probable class, from all that the case has."""
        everything = list(self.probabilities.values())[-1]
        return max(everything, key=lambda name: everything[name])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "task": self.task,
            "predicted": self.predicted,
            "modalities": list(self.modalities),
            "missing": list(self.missing),
            "probabilities": self.probabilities,
            "weights": self.weights,
        }

    def to_text(self) -> str:
        """Return lines for people."""
        lines = [f"class: {self.predicted}"]
        for name, found in self.probabilities.items():
            best = sorted(found.items(), key=lambda item: -item[1])[:N_SHOWN]
            words = ", ".join(f"{each} {100 * share:.1f} %" for each, share in best)
            lines.append(f"{name}: {words}")
        lines.append("weights: " + ", ".join(f"{n} {w:.2f}" for n, w in self.weights.items()))
        if self.missing:
            lines.append(f"missing: {', '.join(self.missing)}")
        return "\n".join(lines)


def evaluate(
    task: ClassTask, out: Path, settings: Mapping[str, Any], *, overlays: Sequence[str] = ()
) -> Path:
    """Judge a network on labelled cases.

    Args:
        task: of the cases.
        out: receives ``scores.csv``, ``summary.json`` and ``report.md``.
        settings: of ``evaluate.yaml``, ``dataset_dir`` and ``checkpoint`` among them.
        overlays: configs that the weights were trained with.

    Returns:
        The report for people.

    Raises:
        UserError: cases, weights or settings cannot be used.
    """
    about = read_about(settings["checkpoint"])
    if about.task != task.name:
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {settings['checkpoint']} must be for the task {task.name}; they are for"
            f" {about.task}. Give that task, or other weights.",
        )
    values = {**_as_trained(about, settings), **settings, "output_dir": out}
    config = _open(task, values, overlays)
    config.get_parsed_content("initialize")
    config.get_parsed_content("run")
    return out / REPORT


def classify(
    files: Mapping[str, Path], settings: Mapping[str, Any], *, overlays: Sequence[str] = ()
) -> Answer:
    """Classify one case from the modalities that it has.

    Args:
        files: modality to file; at least one.
        settings: of ``evaluate.yaml``, ``checkpoint`` among them.
        overlays: configs that the weights were trained with.

    Raises:
        UserError: a file, the weights or a setting cannot be used, or a modality is unknown.
    """
    about = read_about(settings["checkpoint"])
    task = load_class_task(about.task)
    named = _canonical(files, task)
    config = _open(task, {**_as_trained(about, settings), **settings}, overlays)
    config.get_parsed_content("initialize")
    device = config.get_parsed_content("device")
    inputs = config.get_parsed_content("read_case")(named)
    moved = {name: values.to(device) for name, values in inputs.items()}
    sets = [flags for flags in task.all_sets() if _members(flags, task) <= named.keys()]
    with torch.inference_mode():
        network = config.get_parsed_content("network")
        presence = torch.tensor([task.presence_flags(named)])
        found = ClassSetInferer(sets)(moved, network, presence)
    names = TaskNames(task.name, {name: name for name in task.modality_names}, ())
    rows = zip(sets, found["probabilities"][0].tolist(), strict=True)
    weights = zip(task.modality_names, found["weights"][0, -1].tolist(), strict=True)
    return Answer(
        task.name,
        task.in_order(named),
        tuple(name for name in task.modality_names if name not in named),
        {
            names.set_name(_members(flags, task)): dict(zip(about.classes, row, strict=True))
            for flags, row in rows
        },
        {name: weight for name, weight in weights if name in named},
    )


def _as_trained(about: AboutWeights, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how inputs were read in training, where nothing else is asked for."""
    return {
        name: value
        for name, value in about.settings.items()
        if name in SETTINGS and name not in settings
    }


def _open(task: ClassTask, settings: Mapping[str, Any], overlays: Sequence[str]) -> "BundleConfig":
    configs = config_set(task)
    return load_config(
        configs.file("evaluate.yaml"), settings, configs.overlays(overlays), trained_with=True
    )


def _canonical(files: Mapping[str, Path], task: ClassTask) -> dict[str, Path]:
    try:
        named = {task.canonical_modality(name): path for name, path in files.items()}
    except ValueError as error:
        raise UsageError(
            "E_USAGE", f"A file must be of a modality of {task.name}; {error}"
        ) from None
    if len(named) < len(files) or not named:
        raise UsageError(
            "E_USAGE",
            f"Each modality must be given at most once, one of them at least; got {list(files)}."
            " Leave out the doubled one.",
        )
    return named


def _members(flags: Sequence[bool], task: ClassTask) -> set[str]:
    return {name for name, flag in zip(task.modality_names, flags, strict=True) if flag}
