"""Judges networks and segmentations."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.class_commands import evaluate_classes
from bundle.cli.compare_command import Empty, EmptyOption
from bundle.cli.console import reporting
from bundle.cli.engine_options import (
    AddressOption,
    Engine,
    EngineOption,
    WorkersOption,
    chosen_engine,
)
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    CheckpointOption,
    DataOption,
    DeviceOption,
    LabelledArgument,
    PatternOption,
    SetOption,
    TaskOption,
    all_settings,
    check_numbering,
    chosen_class_task,
    chosen_task,
    exit_codes,
    expanded,
    given_source,
    refuse_given,
    task_name,
)
from bundle.cohorts.case_outcome import CaseOutcome
from bundle.datasets.splits import chosen_cases
from bundle.errors import UsageError
from bundle.names.patterns import pattern_setting
from bundle.outputs.run_files import OK
from bundle.tasks.numberings import AUTO


def evaluate(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for scores, tables and pictures.", callback=expanded
        ),
    ],
    source: LabelledArgument = None,
    data: DataOption = None,
    pattern: PatternOption = None,
    checkpoint: CheckpointOption = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            help="Config that the weights were trained with; may be repeated.", callback=expanded
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Judge these label maps instead of a network: CASE.nii.gz or CASE_seg.nii.gz.",
            callback=expanded,
        ),
    ] = None,
    task: TaskOption = None,
    numbering: Annotated[
        str | None,
        typer.Option(
            "--prediction-labels",
            metavar="NUMBERING",
            help="Numbering of the predictions, such as brats2021; the task's first if left out.",
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="NUMBERING",
            help="Numbering of the truth; auto tells it from names and values.",
        ),
    ] = AUTO,
    split_file: Annotated[
        Path | None,
        typer.Option("--split", help="Split of the cases, by `simmlm split`.", callback=expanded),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            help=(
                "Part to judge, of the split (test if left out) or of the list of cases (all if"
                " left out)."
            )
        ),
    ] = None,
    empty: EmptyOption = Empty.skip,
    device: DeviceOption = "auto",
    engine: EngineOption = Engine.serial,
    address: AddressOption = None,
    workers: WorkersOption = None,
    settings: SetOption = None,
) -> None:
    """Judge a network from every set of the cases' modalities, or anybody's segmentations, by the
    same code.
    """
    with exit_codes():
        root, name = given_source(source, data), task_name(task, settings)
        classes = chosen_class_task(name)
        if classes is not None:
            refuse_given(
                classes,
                predictions=predictions,
                pattern=pattern,
                split=split_file,
                prediction_labels=numbering,
                labels=None if labels == AUTO else labels,
                empty=None if empty == Empty.skip else empty.value,
                engine=None if engine == Engine.serial else engine.value,
                address=address,
                workers=workers,
            )
            evaluate_classes(
                root,
                out,
                classes,
                checkpoint=checkpoint,
                overlays=overlay or (),
                given={"part": part, "device_name": device},
                settings=settings,
            )
            return
        declared = chosen_task(name)
        patterns = pattern_setting(pattern or [], task=declared)
        given = {
            "dataset_dir": root,
            "patterns": patterns,
            "split_file": split_file,
            "checkpoint": checkpoint,
            "task_name": task,
        }
        defaults = {
            "part": part,
            "label_convention": labels,
            "empty": empty.value,
            "device_name": device,
        }
        values = all_settings(defaults, given, settings)
        check_numbering("--labels", labels, declared, AUTO)
        check_numbering("--prediction-labels", numbering, declared)
        on = "cpu" if predictions is not None else str(values["device_name"])
        running = chosen_engine(engine, address, workers, out, on)
        if not overlay:  # which may name whatever MONAI has
            load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cohorts.cohort_evaluation import (
            evaluate_network,
            evaluate_predictions,
            judged_cases,
        )
        from bundle.datasets.labelled_cases import cases_to_judge

        if predictions is not None:
            _check_alone(checkpoint=checkpoint, overlay=overlay, set=settings)
            cases = chosen_cases(judged_cases(root, patterns, task=declared), split_file, part)
            with reporting("judging", len(cases), declared) as report:
                outcomes = evaluate_predictions(
                    cases,
                    predictions,
                    out,
                    numbering=numbering,
                    label_convention=labels,
                    empty=empty.value,
                    report=report,
                    engine=running,
                    task=declared,
                )
        else:
            listed = cases_to_judge(root, values.get("patterns"), tell=False, task=declared)
            cases = chosen_cases(listed, values.get("split_file"), values["part"])
            with reporting("judging", len(cases), declared) as report:
                outcomes = evaluate_network(
                    out, values, overlays=tuple(overlay or ()), report=report, engine=running
                )
        _summarise(outcomes, out)


def _check_alone(**options: Any) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        raise UsageError(
            "E_USAGE", f"--{given[0]} is for a network; --predictions needs none. Leave one out."
        )


def _summarise(outcomes: list[CaseOutcome], out: Path) -> None:
    failed = sum(outcome.status != OK for outcome in outcomes)
    typer.echo(
        f"{len(outcomes)} cases: {len(outcomes) - failed} judged, {failed} failed. Report:"
        f" {out / 'report.md'}"
    )
    if failed:
        raise typer.Exit(1)
