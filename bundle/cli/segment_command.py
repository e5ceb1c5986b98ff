"""Segments cases."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.batch_options import (
    AgainOption,
    RetriesOption,
    ShardOption,
    StopOption,
    TimeoutOption,
)
from bundle.cli.console import reporting, summarise
from bundle.cli.engine_options import (
    AddressOption,
    Engine,
    EngineOption,
    WorkersOption,
    chosen_engine,
)
from bundle.cli.exam_sources import exam_cases
from bundle.cli.image_options import ImageOption, named_files, with_modality_options
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
from bundle.cli.prepare_options import (
    BrainMaskOption,
    BrainWeightsOption,
    KeepNamesOption,
    LeaveOutOption,
    ReferenceOption,
)
from bundle.cli.study_command import SeriesOption
from bundle.dicom.study_list import STUDY
from bundle.errors import UsageError
from bundle.preparing.options import PrepareOptions


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
    case_id: Annotated[
        str | None, typer.Option(help="Name of the case, with named files or one DICOM study.")
    ] = None,
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
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Register scans on different grids, and cut the brain out, first; DICOM studies"
            " always are prepared.",
        ),
    ] = False,
    reference: ReferenceOption = None,
    leave_out_failed: LeaveOutOption = False,
    brain_mask: BrainMaskOption = None,
    brain_weights: BrainWeightsOption = None,
    series_table: SeriesOption = None,
    keep_names: KeepNamesOption = False,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="MODALITY",
            help="Also write the label map on the grid on which this modality was acquired.",
        ),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Also draw a PNG per case.")] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Also write a page per case, with pictures and a viewer, and OUT/index.html.",
        ),
    ] = False,
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
    again: AgainOption = False,
    timeout: TimeoutOption = None,
    retries: RetriesOption = None,
    stop_after_failures: StopOption = None,
    shard: ShardOption = None,
    device: DeviceOption = "auto",
    engine: EngineOption = Engine.serial,
    address: AddressOption = None,
    workers: WorkersOption = None,
    settings: SetOption = None,
) -> None:
    """Segment one case from named files, a case folder, or every case of a data set folder.

    Writes the label map, the entropy map and one weight map per acquired modality on the case's own
    grid. The same command again does what is not done.
    """
    with exit_codes():
        defaults = {
            "device_name": device,
            "preview": preview,
            "report": report,
            "slicer": slicer,
            "dicom": dicom,
            "bids": bids,
            "overwrite": overwrite,
            "again": again,
        }
        given = {
            "checkpoint": checkpoint,
            "task_name": task,
            "label_convention": labels,
            "on_grid_of": on,
            "case_timeout_s": timeout,
            "retries": retries,
            "stop_after_failures": stop_after_failures,
            "shard": shard,
        }
        values = all_settings(defaults, given, settings)
        declared = chosen_task(values.get("task_name"))
        check_numbering("--labels", labels, declared)
        root = given_source(source, data) if source or data else None
        files = named_files(images, image, declared)
        cases = exam_cases(
            root,
            files,
            out,
            case_id=case_id,
            pattern=pattern,
            task=declared,
            keep_names=keep_names,
        )
        cases = cases if modalities is None else _declared(cases, modalities)
        running = chosen_engine(engine, address, workers, out, str(values["device_name"]))
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cohorts.cohort_segmentation import segment_cases

        options = PrepareOptions(
            reference=reference,
            leave_out_failed=leave_out_failed,
            brain_mask=brain_mask,
            brain_weights=brain_weights,
            series_table=series_table,
        )
        is_asked = prepare or options != PrepareOptions() or any(STUDY in case for case in cases)
        with reporting("segmenting", len(cases), declared) as tell:
            outcomes = segment_cases(
                cases,
                out,
                settings=values,
                report=tell,
                engine=running,
                prepare=options if is_asked else None,
            )
        summarise(outcomes, out)


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
