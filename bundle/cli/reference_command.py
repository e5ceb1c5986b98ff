"""Learns how exams usually look, and puts it beside the weights."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    CheckpointOption,
    TaskOption,
    chosen_task,
    exit_codes,
    expanded,
    task_name,
)


def reference(
    cases: Annotated[
        Path,
        typer.Argument(
            help="Exams that the weights are known to do well on, as for `simmlm segment`.",
            callback=expanded,
        ),
    ],
    checkpoint: CheckpointOption = None,
    task: TaskOption = None,
) -> None:
    """Learn how exams look that the weights are known to do well on: inference warns of others,
    and of names that look exchanged.

    Needs no labels.
    """
    with exit_codes():
        declared = chosen_task(task_name(task, None))
        load_monai()
        from bundle.cases.reference_file import REFERENCES
        from bundle.cases.reference_learning import learn, looks_of
        from bundle.configuration import load_config
        from bundle.weights.checkpoints import verified_sha256

        given: dict[str, Any] = {"dataset_dir": cases, "exam_reference": "none"}
        given |= {} if checkpoint is None else {"checkpoint": checkpoint}
        given |= {} if task is None else {"task_name": task}
        config = load_config("inference.yaml", given)
        weights = Path(config.get_parsed_content("checkpoint"))
        listed, prepare = map(config.get_parsed_content, ("cases", "preprocessing"))
        exams = looks_of(listed, prepare, declared)
        learnt = learn(exams, verified_sha256(weights), declared.name)
        learnt.write(REFERENCES.path(weights))
        Console().print(_table(learnt.measured["false"]), _swaps(learnt.measured["found"]))
        typer.echo(
            f"{len(exams)} exams, each judged by the others. Reference: {REFERENCES.path(weights)}"
        )


def _table(false: dict[str, dict[str, list[int]]]) -> Table:
    table = Table("modalities", *(f"false warnings: {kind}" for kind in false))
    for size in next(iter(false.values())):
        table.add_row(size, *(_of(counts[size]) for counts in false.values()))
    return table


def _swaps(found: dict[str, list[int]]) -> Table:
    table = Table("exchanged names", "found")
    for names, counts in found.items():
        table.add_row(names.replace("+", ", "), _of(counts))
    return table


def _of(counts: list[int]) -> str:
    return f"{counts[0]} of {counts[1]}"
