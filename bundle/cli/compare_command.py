"""Compares what was judged."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
