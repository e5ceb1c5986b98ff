"""Compares what was judged."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markdown import Markdown

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import exit_codes, expanded
from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once, check_writable
from bundle.files.json_file import write_json

if TYPE_CHECKING:
    from bundle.evaluation.score_table import ScoreTable


ACCURACY = "accuracy"
"""The metric by which runs of classes are compared."""


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
    metric: Annotated[
        str | None,
        typer.Option(help="A metric of scores.csv; dice if left out, of classes accuracy."),
    ] = None,
    empty: EmptyOption = Empty.skip,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and the permutations.")] = 0,
) -> None:
    """Table evaluated runs side by side: differences to the first, intervals, tests over cases."""
    with exit_codes():
        if len(runs) < 2:
            raise UsageError(
                "E_USAGE",
                f"Runs to compare must be at least two; got {len(runs)}. Name another folder.",
            )
        load_monai()
        from bundle.classification.judging.class_scores import holds_classes
        from bundle.evaluation.judged_run import SCORES

        if all(holds_classes(Path(run) / SCORES) for run in runs):
            found = _compared_classes(_named(runs), metric, seed)
        else:
            found = _compared(_named(runs), metric, empty, seed)
        if out is not None:
            check_writable(out)
            write_json(out / "comparison.json", found.facts)
            for ending, content in (("md", found.markdown), ("tex", found.latex)):
                with appearing_at_once(out / f"comparison.{ending}") as file:
                    file.write(content.encode() + b"\n")
        text = found.markdown
        Console().print(Markdown(text)) if Console().is_terminal else typer.echo(text)


class _Compared(NamedTuple):
    """A comparison in the forms in which it is given out."""

    facts: Any
    markdown: str
    latex: str


def _compared(runs: Mapping[str, str], metric: str | None, empty: Empty, seed: int) -> _Compared:
    from bundle.evaluation.metrics import DICE
    from bundle.evaluation.reports.comparison_tables import (
        latex_comparison,
        markdown_comparison,
    )
    from bundle.evaluation.statistics.comparison import compare as compare_runs

    tables = {name: _scores_of(run) for name, run in runs.items()}
    found = compare_runs(tables, metric=metric or DICE.name, empty=empty.value, seed=seed)
    return _Compared(found.to_json(), markdown_comparison(found), latex_comparison(found))


def _compared_classes(runs: Mapping[str, str], metric: str | None, seed: int) -> _Compared:
    from bundle.classification.judging.class_scores import ClassScores
    from bundle.classification.judging.compared_runs import (
        compare_runs,
        latex_runs,
        markdown_runs,
    )
    from bundle.evaluation.judged_run import SCORES

    if metric not in (None, ACCURACY):
        raise UsageError(
            "E_USAGE",
            f"--metric of runs that classify must be {ACCURACY}; got {metric}. Leave it out.",
        )
    rows = compare_runs(
        {name: ClassScores.read(Path(run) / SCORES) for name, run in runs.items()}, seed
    )
    return _Compared([row.to_json() for row in rows], markdown_runs(rows), latex_runs(rows))


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
