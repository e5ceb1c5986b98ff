"""Makes one report of several evaluations."""

from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.compare_command import Empty, EmptyOption
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import TaskOption, chosen_task, exit_codes, expanded, task_name
from bundle.errors import UsageError
from bundle.files.atomic_file import check_writable


def join(
    judged: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of `simmlm evaluate`, each of cases of its own.", callback=expanded
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the report.", callback=expanded)
    ],
    task: TaskOption = None,
    empty: EmptyOption = Empty.skip,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """One report of several evaluations, such as the folds of a cross-validation: as if all cases
    had been judged at once.
    """
    with exit_codes():
        declared = chosen_task(task_name(task, None))
        if len(judged) < 2:
            raise UsageError(
                "E_USAGE",
                f"Evaluations to join must be at least two; got {len(judged)}. Name another"
                " folder.",
            )
        if out.resolve() in [folder.resolve() for folder in judged]:
            raise UsageError(
                "E_USAGE",
                f"--out must be another folder than those that are joined; got {out}, whose"
                " evaluation would be lost. Name another.",
            )
        load_monai()
        from bundle.evaluation.judged_run import same_facts
        from bundle.evaluation.reports.report import EvaluationReport

        check_writable(out)
        same = same_facts(judged, ("weights_sha256", "settings"), declared)
        report = EvaluationReport(out, empty=empty.value, seed=seed, facts=same, task=declared)
        for folder in judged:
            report.join(folder)
        summary = report.write()
        typer.echo(f"{summary.n_cases} cases of {len(judged)} evaluations. Report: {out}/report.md")
