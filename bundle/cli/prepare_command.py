"""Makes cases of exams: one grid, registered, nothing but the brain."""

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
from bundle.cli.class_data_commands import (
    DIGITS,
    FsddOption,
    MnistOption,
    are_digits,
    prepare_digits,
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
    DataOption,
    PatternOption,
    SourceArgument,
    TaskOption,
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
from bundle.preparing.options import PrepareOptions


@with_modality_options
def prepare(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the cases, one subfolder each; for avmnist an .npz file.",
            callback=expanded,
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
    reference: ReferenceOption = None,
    leave_out_failed: LeaveOutOption = False,
    brain_mask: BrainMaskOption = None,
    brain_weights: BrainWeightsOption = None,
    series_table: SeriesOption = None,
    keep_names: KeepNamesOption = False,
    again: AgainOption = False,
    timeout: TimeoutOption = None,
    retries: RetriesOption = 0,
    stop_after_failures: StopOption = None,
    shard: ShardOption = None,
    engine: EngineOption = Engine.serial,
    address: AddressOption = None,
    workers: WorkersOption = None,
    mnist: MnistOption = None,
    fsdd: FsddOption = None,
) -> None:
    """Prepare exams for segmentation: DICOM studies, or images on any grids, with or without skull.

    Scans are registered to one of them, brought onto its grid, and stripped if they have a skull.
    An exam that is so already is copied byte by byte.

    Or, with the word avmnist for SOURCE and with --mnist and --fsdd: pair handwritten with spoken
    digits, for `simmlm train --task avmnist`.
    """
    with exit_codes():
        sources = [*([source] if source else []), *(data or [])]
        if are_digits(sources, mnist, fsdd):
            others = {
                "image": image or [str(path) for paths in images.values() for path in paths or []],
                "task": None if task == DIGITS else task,
                "case_id": case_id,
                "pattern": pattern,
                "reference": reference,
                "leave_out_failed": leave_out_failed,
                "brain_mask": brain_mask,
                "brain_weights": brain_weights,
                "series": series_table,
                "keep_names": keep_names,
                "again": again,
                "timeout": timeout,
                "retries": retries,
                "stop_after_failures": stop_after_failures,
                "shard": shard,
                "engine": None if engine == Engine.serial else engine.value,
                "address": address,
                "workers": workers,
            }
            prepare_digits(sources, mnist, fsdd, out, others)
            return
        declared = chosen_task(task)
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
        running = chosen_engine(engine, address, workers, out)
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cohorts.batch_rules import batch_rules
        from bundle.cohorts.cohort_preparation import prepare_cases

        options = PrepareOptions(
            reference=reference,
            leave_out_failed=leave_out_failed,
            brain_mask=brain_mask,
            brain_weights=brain_weights,
            series_table=series_table,
        )
        rules = batch_rules(
            again=again,
            case_timeout_s=timeout,
            retries=retries or 0,
            stop_after_failures=stop_after_failures,
            shard=shard,
        )
        with reporting("preparing", len(cases), declared) as report:
            outcomes = prepare_cases(
                cases, out, options, task=declared, report=report, engine=running, rules=rules
            )
        summarise(outcomes, out)
