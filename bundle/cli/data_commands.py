"""Draws, describes and divides data sets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from bundle.cli.class_data_commands import draw_classes
from bundle.cli.description_tables import description_tables
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    ERRORS,
    DataOption,
    LabelledArgument,
    PatternOption,
    SourceArgument,
    TaskOption,
    check_numbering,
    chosen_class_task,
    chosen_task,
    exit_codes,
    expanded,
    given_source,
    refuse_given,
)
from bundle.datasets.listing import find_layout, list_cases
from bundle.datasets.split_file import write_split
from bundle.datasets.splits import draw_folds, draw_split
from bundle.errors import OutputError, UsageError
from bundle.files.atomic_file import check_writable
from bundle.files.json_file import write_json
from bundle.names.patterns import parse_patterns
from bundle.plain_text import printable
from bundle.tasks.numberings import AUTO

SHAPE = (96, 112, 80)
"""Voxels of a drawn exam."""


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the cases.", callback=expanded)],
    cases: Annotated[int, typer.Option(help="How many.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same cases.")] = 0,
    shape: Annotated[tuple[int, int, int], typer.Option(help="Voxels of 1 mm.")] = SHAPE,
    naming: Annotated[
        str | None,
        typer.Option(
            help="File names and label values, by a name that the task gives them: of brain"
            " tumours brats2023 or brats2021. The task's first if left out."
        ),
    ] = None,
    task: TaskOption = None,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Draw DICOM studies of whole heads instead, as a scanner writes them; what is"
            " known of them lies in OUT/truth.",
        ),
    ] = False,
) -> None:
    """Draw cases with labels, so that everything can be tried without a download.

    With --task avmnist handwritten and spoken digits are drawn, in the layouts of the public data
    that `simmlm prepare avmnist` reads: OUT/mnist and OUT/fsdd. With --task image_text pictures of
    plates with titles are drawn, in the layout of Food-101.
    """
    with exit_codes():
        classes = chosen_class_task(task)
        if classes is not None:
            exams = {"cases": cases if cases != 1 else None, "naming": naming, "dicom": dicom}
            refuse_given(classes, **exams, shape=shape if shape != SHAPE else None)
            draw_classes(classes, out, seed)
            return
        declared = chosen_task(task)
        if dicom and naming is not None:
            raise UsageError(
                "E_USAGE",
                "--naming goes with NIfTI cases; files of a study have names that say nothing."
                " Leave out --naming or --dicom.",
            )
        check_writable(out)
        if dicom:
            from bundle.phantoms.dicom_study import write_studies

            for study in write_studies(out, n_cases=cases, seed=seed, shape=shape, task=declared):
                typer.echo(printable(str(study)))
            return
        from bundle.phantoms.phantom_cases import write_phantoms

        folders = write_phantoms(
            out, n_cases=cases, seed=seed, shape=shape, naming=naming, task=declared
        )
        for folder in folders:
            typer.echo(printable(str(folder)))


def data(
    source: SourceArgument = None,
    data: DataOption = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write everything that is found.", callback=expanded),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="NUMBERING",
            help="Numbering of the label maps on disk, such as brats2021; auto tells it from names"
            " and values.",
        ),
    ] = AUTO,
    pattern: PatternOption = None,
    task: TaskOption = None,
) -> None:
    """Describe a data set, reading every case as training would. Exit status 1 if a case cannot be
    used.
    """
    with exit_codes():
        root, declared = given_source(source, data), chosen_task(task)
        check_numbering("--labels", labels, declared, AUTO)
        cases = list_cases(root, parse_patterns(pattern or [], task=declared), task=declared)
        if json_file is not None and not json_file.absolute().parent.is_dir():
            raise OutputError(
                "E_OUTPUT",
                f"--json must lie in a folder that exists; got {json_file}. Make it first.",
            )
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cases.case_facts import describe_case, summarise

        reading = track(
            cases, "reading", console=ERRORS, transient=True, disable=not ERRORS.is_terminal
        )
        facts = [describe_case(case, labels, task=declared) for case in reading]
        layout = find_layout(root, task=declared)
        found = summarise(facts, task=declared)
        description = {"source": str(root), "layout": layout.value, **found}
        for table in description_tables(description):
            Console().print(table)
        if json_file is not None:
            write_json(json_file, description)
        if description["unusable"]:
            raise typer.Exit(1)


def split(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="JSON file for the split; never replaced.", callback=expanded
        ),
    ],
    source: LabelledArgument = None,
    data: DataOption = None,
    pattern: PatternOption = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of the patients; 0.1 if left out.")
    ] = None,
    test: Annotated[float, typer.Option(help="Share of the patients; 0 for none.")] = 0.2,
    folds: Annotated[
        int | None, typer.Option(help="Folds for cross-validation instead of a validation part.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same patients.")] = 0,
    task: TaskOption = None,
) -> None:
    """Divide the labelled cases by patient into training, validation and test, or into folds and
    test.
    """
    with exit_codes():
        if folds is not None and validation is not None:
            raise UsageError(
                "E_USAGE",
                "--folds goes without --validation: each fold validates once. Leave one out.",
            )
        root, declared = given_source(source, data), chosen_task(task)
        patterns = parse_patterns(pattern or [], task=declared)
        load_monai()
        from bundle.datasets.labelled_cases import labelled_cases

        cases = labelled_cases(root, patterns, task=declared)
        if folds is not None:
            drawn = draw_folds(cases, n_folds=folds, test_share=test, seed=seed)
        else:
            share = 0.1 if validation is None else validation
            drawn = draw_split(cases, validation_share=share, test_share=test, seed=seed)
        write_split(out, drawn)
        typer.echo(
            f"{out}: " + ", ".join(f"{len(ids)} {part}" for part, ids in drawn.parts.items())
        )
