"""Trains."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.options import (
    ERRORS,
    DataOption,
    DeviceOption,
    LabelledArgument,
    PatternOption,
    SetOption,
    TaskOption,
    all_settings,
    chosen_class_task,
    chosen_task,
    exit_codes,
    expanded,
    given_source,
    refuse_given,
    task_name,
)
from bundle.config_files import OWN_CONFIGS, config_set
from bundle.errors import UsageError
from bundle.names.patterns import pattern_setting
from bundle.tasks.modality_sets import ModalitySets

TIME_OVER = 75  # EX_TEMPFAIL: try again
STOPPED = 130  # by Ctrl-C, as shells count it


class Tracking(StrEnum):
    """Where a training can be followed besides its own table and curve."""

    tensorboard = "tensorboard"
    mlflow = "mlflow"


def train(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the weights. The same command again goes on in it.",
            callback=expanded,
        ),
    ],
    source: LabelledArgument = None,
    data: DataOption = None,
    pattern: PatternOption = None,
    task: TaskOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each stage.")] = None,
    experts: Annotated[
        str | None,
        typer.Option(help="Train only these experts, such as t1c or t1n,t2w; stop after stage 1."),
    ] = None,
    start_from: Annotated[
        list[Path] | None,
        typer.Option(
            help=(
                "Weights to begin with: a mixture, files of experts, or both, where the experts"
                " replace the mixture's; may be repeated. Without --experts, stage 1 is left out."
            ),
            callback=expanded,
        ),
    ] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "Config to merge over both stages: a file, or one of configs/ablations; may be"
                " repeated."
            ),
            callback=expanded,
        ),
    ] = None,
    split_file: Annotated[
        Path | None,
        typer.Option("--split", help="Split of the cases, by `simmlm split`.", callback=expanded),
    ] = None,
    tracking: Annotated[
        Tracking | None, typer.Option(help="Where else to follow the training.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Stop before this time is over, at the end of an epoch; exit status 75."
        ),
    ] = None,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Train the experts alone, then gate and experts together with the More-vs-Fewer loss.

    A training that was stopped or killed goes on after its last finished epoch when the same
    command is given again.
    """
    with exit_codes(), _stoppable():
        root = given_source(source, data)
        name = task_name(task, settings)
        classes = chosen_class_task(name)
        given: dict[str, Any] = {"epochs": epochs, "split_file": split_file}
        declared: ModalitySets
        if classes is None:
            declared = cases = chosen_task(name)
            given |= {"patterns": pattern_setting(pattern or [], task=cases), "task_name": task}
            configs = OWN_CONFIGS
        else:
            refuse_given(classes, split=split_file, pattern=pattern)
            declared, configs = classes, config_set(classes)
        values = all_settings({"device_name": device}, given, settings)
        # MONAI as a whole: a user's overlay may name whatever it has.
        from bundle.training.stages import train as train_stages

        weights = train_stages(
            root,
            out,
            values,
            experts=_modalities(experts, declared),
            start_from=tuple(start_from or ()),
            overlays=tuple(overlay or ()),
            tracking=tracking.value if tracking else None,
            minutes=minutes,
            configs=configs,
        )
        if weights is None:
            typer.echo("Time is over; the same command goes on.")
            raise typer.Exit(TIME_OVER)
        typer.echo(f"weights: {weights}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """End at Ctrl-C with a line instead of a traceback; what stops a training is said once."""
    logging.getLogger("ignite.engine").setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        ERRORS.show_cursor()  # which the bar has hidden
        typer.echo("Stopped; the same command goes on after the last finished epoch.", err=True)
        raise typer.Exit(STOPPED) from None


def _modalities(names: str | None, task: ModalitySets) -> tuple[str, ...]:
    try:
        return task.parse_modalities(names) if names else ()
    except ValueError as error:
        raise UsageError(
            "E_EXPERTS", f"--experts must be modalities, separated by commas; {error}"
        ) from None
