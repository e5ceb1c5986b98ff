"""Segments cases."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.console import reporting, summarise
from bundle.cli.image_options import (
    ImageOption,
    named_files,
    ways_to_name,
    with_modality_options,
)
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    CheckpointOption,
    DataOption,
    DeviceOption,
    PatternOption,
    SetOption,
    SourceArgument,
    TaskOption,
    all_settings,
    check_numbering,
    chosen_task,
    exit_codes,
    expanded,
    given_source,
)
from bundle.datasets.listing import check_case_id, list_cases
from bundle.errors import UsageError
from bundle.names.file_names import case_name
from bundle.names.patterns import parse_patterns
from bundle.tasks.task import Task


@with_modality_options
def segment(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for the results, one subfolder per case.", callback=expanded
        ),
    ],
    source: SourceArgument = None,
    data: DataOption = None,
    images: Any = None,
    image: ImageOption = None,
    task: TaskOption = None,
    case_id: Annotated[str | None, typer.Option(help="Name of the case, with named files.")] = None,
    pattern: PatternOption = None,
    modalities: Annotated[
        str | None,
        typer.Option(help="What one 4D file holds, in the order of its volumes: t1n,t1c,t2w,t2f."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERING",
            help="Numbering of the label map on disk, such as brats2021; the task's first if left"
            " out.",
        ),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Also draw a PNG per case.")] = False,
    slicer: Annotated[
        bool, typer.Option("--slicer", help="Also write files for 3D Slicer, and a script.")
    ] = False,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Also write a DICOM segmentation and a report of volumes, for cases read from"
            " DICOM.",
        ),
    ] = False,
    bids: Annotated[
        bool, typer.Option("--bids", help="Also write OUT/bids, a BIDS data set of derivatives.")
    ] = False,
    checkpoint: CheckpointOption = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace results of other images under the same case name."
        ),
    ] = False,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Segment one case from named files, a case folder, or every case of a data set folder.

    Writes the label map, the entropy map and one weight map per acquired modality on the case's own
    grid.
    """
    with exit_codes():
        defaults = {
            "device_name": device,
            "preview": preview,
            "slicer": slicer,
            "dicom": dicom,
            "bids": bids,
            "overwrite": overwrite,
        }
        given = {"checkpoint": checkpoint, "task_name": task, "label_convention": labels}
        values = all_settings(defaults, given, settings)
        declared = chosen_task(values.get("task_name"))
        check_numbering("--labels", labels, declared)
        root = given_source(source, data) if source or data else None
        cases = _cases(root, named_files(images, image, declared), case_id, pattern, declared)
        cases = cases if modalities is None else _declared(cases, modalities)
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cohorts.cohort_segmentation import segment_cases

        with reporting("segmenting", len(cases), declared) as report:
            outcomes = segment_cases(cases, out, settings=values, report=report)
        summarise(outcomes, out)


def _cases(
    source: Path | None,
    files: dict[str, Path],
    case_id: str | None,
    pattern: list[str] | None,
    task: Task,
) -> tuple[dict[str, Any], ...]:
    if (source is None) == (not files):
        raise UsageError(
            "E_USAGE",
            f"What to segment must be named, as SOURCE or else as files ({ways_to_name(task)}); got"
            f" {'neither' if source is None else 'both'}. Give one of the two.",
        )
    if source is not None:
        if case_id is not None:
            raise UsageError(
                "E_USAGE",
                "--case-id goes with named files; folders and lists give their own names. Leave it"
                " out.",
            )
        return list_cases(source, parse_patterns(pattern or [], task=task), task=task)
    if pattern:
        raise UsageError(
            "E_USAGE", "--pattern goes with a folder; named files need none. Leave it out."
        )
    name = case_id or case_name(*files.values(), task=task)
    return ({"case_id": check_case_id(name), "image": files},)


def _declared(cases: tuple[dict[str, Any], ...], modalities: str) -> tuple[dict[str, Any], ...]:
    """Say of every 4D file what it holds, where the list of cases does not say so."""
    if not all(
        isinstance(case["image"], Path) and case["image"].is_file()
        for case in cases
        if "problem" not in case
    ):
        raise UsageError(
            "E_USAGE",
            "--modalities goes with one file or a list of 4D files; others need none. Leave it"
            " out.",
        )
    return tuple({"modalities": modalities, **case} for case in cases)
