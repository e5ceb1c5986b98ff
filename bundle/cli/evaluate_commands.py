"""Judges networks and segmentations, and compares what was judged."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

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
    chosen_task,
    exit_codes,
    expanded,
    given_source,
    task_name,
)
from bundle.cohorts.case_outcome import OK, CaseOutcome
from bundle.datasets.splits import chosen_cases
from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once, check_writable
from bundle.files.json_file import write_json
from bundle.names.patterns import pattern_setting
from bundle.tasks.numberings import AUTO

if TYPE_CHECKING:
    from bundle.evaluation.score_table import ScoreTable


class Empty(StrEnum):
    """What a region counts that the truth does not have."""

    skip = "skip"
    one = "one"


EmptyOption = Annotated[
    Empty,
    typer.Option(
        help=(
            "Regions that the truth does not have: left out, or 1 for finding nothing there and 0"
            " else."
        )
    ),
]


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
        root, declared = given_source(source, data), chosen_task(task_name(task, settings))
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


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            callback=expanded,
            help=(
                "Folders of `simmlm evaluate`; the first is the reference. FOLDER@t1n+t1c+t2w+t2f"
                " is one modality set "
                "of it, to compare with judged label maps."
            ),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for comparison.json, .md and .tex.", callback=expanded
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="A metric of scores.csv.")] = "dice",
    empty: EmptyOption = Empty.skip,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 0,
) -> None:
    """Table evaluated runs side by side: differences to the first, intervals and permutation tests
    over cases.
    """
    with exit_codes():
        if len(runs) < 2:
            raise UsageError(
                "E_USAGE",
                f"Runs to compare must be at least two; got {len(runs)}. Name another folder.",
            )
        load_monai()
        from bundle.evaluation.reports.comparison_tables import (
            latex_comparison,
            markdown_comparison,
        )
        from bundle.evaluation.statistics.comparison import compare as compare_runs

        tables = {name: _scores_of(run) for name, run in _named(runs).items()}
        compared = compare_runs(tables, metric=metric, empty=empty.value, seed=seed)
        text = markdown_comparison(compared)
        if out is not None:
            check_writable(out)
            write_json(out / "comparison.json", compared.to_json())
            texts = {"md": text, "tex": latex_comparison(compared)}
            for ending, content in texts.items():
                with appearing_at_once(out / f"comparison.{ending}") as file:
                    file.write(content.encode() + b"\n")
        Console().print(Markdown(text)) if Console().is_terminal else typer.echo(text)


def _named(runs: list[str]) -> dict[str, str]:
    """Call runs by their folders' names, or by the whole path where two have the same."""
    names = [Path(run).resolve().name for run in runs]
    unique = {
        name if names.count(name) == 1 else run: run for name, run in zip(names, runs, strict=True)
    }
    if len(unique) < len(runs):
        raise UsageError(
            "E_USAGE",
            f"Each run must be given once; got {' '.join(runs)}. Leave out the doubled one.",
        )
    return unique


def _scores_of(run: str) -> "ScoreTable":
    """Read the scores of a run, or of ``FOLDER@SET`` those of one set."""
    from bundle.evaluation.judged_run import read_scores

    folder, at, chosen = (run, "", "") if Path(run).is_dir() else run.rpartition("@")
    if not at:
        return read_scores(Path(run))
    return read_scores(Path(folder)).as_given(chosen)


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
