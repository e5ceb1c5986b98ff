"""Runs the training stages from the bundle's configs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS
from monai.utils import path_to_sqlite_uri

from bundle.bundle_config import BundleConfig
from bundle.config_files import OWN_CONFIGS, ConfigSet, stages_of
from bundle.configuration import known_keys, load_config
from bundle.errors import OutputError, UsageError
from bundle.processes import is_launched, only_training
from bundle.training.failures import named_failures
from bundle.training.time_limit import is_finished


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    Attributes:
        name: before settings that are its alone, and in the names of what it leaves.
        config: in ``configs``.
        result: file of the weights that it leaves.
    """

    name: str
    config: str
    result: str

    @property
    def state(self) -> str:
        """File from which it goes on."""
        return f"{self.name}.state"


EXPERTS = Stage("experts", "train_experts.yaml", "experts.pt")
MIXTURE = Stage("mixture", "train.yaml", "model.pt")
STAGES = (EXPERTS, MIXTURE)


def train(
    data: Path,
    out: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    experts: Sequence[str] = (),
    start_from: Sequence[Path] = (),
    overlays: Sequence[str] = (),
    tracking: str | None = None,
    minutes: float | None = None,
    configs: ConfigSet = OWN_CONFIGS,
) -> Path | None:
    """Train the experts alone, then gate and experts together.

    Go on where an interrupted run of the same stopped.

    Args:
        data: labelled cases, anything that ``labelled_cases`` takes.
        out: receives ``experts.pt``, ``mixture.pt`` and ``model.pt`` with its SHA-256, and per
            stage a table and a curve of the epochs and the state to go on from.
        settings: replaced settings of the configs, for example ``epochs``, or of one:
            ``experts.epochs``.
        experts: train only these experts, and stop after stage 1.
        start_from: weights to begin with, instead of a stage 1 if no ``experts`` are given: a
            mixture, files of experts, or a mixture and files of experts that replace its own.
        overlays: configs to merge over those of the stages, such as the ablations.
        tracking: ``tensorboard`` or ``mlflow``.
        minutes: stop at the end of an epoch before this time is over.
        configs: those of the task's kind.

    Returns:
        The file of the final weights, ready for inference; with ``experts`` that of the experts.
        None if the time was over before that.

    Raises:
        UsageError: the data have no labelled cases or none for an expert, or ``out`` holds another
            training.
        OutputError: ``out`` cannot be written, or another process trains there.
        UserError: memory ran out.
    """
    values: dict[str, Any] = {"dataset_dir": data, "output_dir": out, **(settings or {})}
    files = configs.overlays(overlays)
    if tracking == "tensorboard":
        files.append(configs.shared("tensorboard"))
    if is_launched():
        files.append(configs.shared("multi_gpu_train"))
    _check_output(out)
    with named_failures(out), only_training(out):
        open_stage = partial(_open, configs, values, files)
        plan = _plan(open_stage, experts, start_from)
        if tracking == "mlflow":
            for _, parser in plan:
                _track_with_mlflow(parser, out)
        finished = _run([parser for _, parser in plan], minutes)
    return out / plan[-1][0].result if finished else None


def _run(stages: Sequence[BundleConfig], minutes: float | None) -> bool:
    """Run one stage after the other; False if the time is over."""
    started_s = time.monotonic()
    finished = True
    for parser in stages:
        if minutes is not None:
            parser["time_limit_minutes"] = max(0.0, minutes - (time.monotonic() - started_s) / 60)
        parser.get_parsed_content("initialize")
        parser.get_parsed_content("run")
        finished = is_finished(parser.get_parsed_content("train#trainer"))
        if not finished:
            break
    stages[-1].get_parsed_content("finalize", default=None)
    return finished


def _plan(
    open_stage: Callable[..., BundleConfig], experts: Sequence[str], start_from: Sequence[Path]
) -> list[tuple[Stage, BundleConfig]]:
    """List the stages that are to run, each with its config."""
    start = {"start_from": tuple(start_from)} if start_from else {}
    if experts:
        return [(EXPERTS, open_stage(EXPERTS, trained_experts=list(experts), **start))]
    if start_from:
        return [(MIXTURE, open_stage(MIXTURE, **start))]
    second = open_stage(MIXTURE)
    if second.get("start_from") is None:
        return [(MIXTURE, second)]
    return [(EXPERTS, open_stage(EXPERTS)), (MIXTURE, second)]


def _open(
    configs: ConfigSet,
    values: Mapping[str, Any],
    overlays: Sequence[Path],
    stage: Stage,
    **own_values: Any,
) -> BundleConfig:
    """Open the config of a stage with its values.

    ``experts.`` or ``mixture.`` before a name says for which it is.
    """
    overlays = [path for path in overlays if stage.name in stages_of(path)]
    other = MIXTURE if stage == EXPERTS else EXPERTS
    own, others = (
        known_keys(load_config(configs.file(one.config), {}, configs.overlays([])))
        for one in (stage, other)
    )
    common = {
        key: value
        for key, value in values.items()
        if "." not in key and (key in own or key not in others)
    }
    prefix = f"{stage.name}."
    special = {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }
    return load_config(configs.file(stage.config), {**common, **special, **own_values}, overlays)


def _check_output(out: Path) -> None:
    """Refuse weights that no state belongs to: a training would overwrite what it did not make."""
    stray = [
        stage.result
        for stage in STAGES
        if (out / stage.result).exists() and not (out / stage.state).exists()
    ]
    if stray:
        raise UsageError(
            "E_OUTPUT",
            f"{out} must not hold weights of other origin; got {', '.join(stray)}. Choose another"
            " --out.",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "E_OUTPUT", f"{out} must be a folder to write to; got: {error.strerror}."
        ) from None


def _track_with_mlflow(parser: BundleConfig, out: Path) -> None:
    """Add MLflow's handlers as `monai.bundle run --tracking mlflow` does."""
    parser["save_execute_config"] = False
    parser["tracking_uri"] = path_to_sqlite_uri(out / "mlruns.db")
    ConfigWorkflow.patch_bundle_tracking(parser, DEFAULT_EXP_MGMT_SETTINGS["mlflow"])
