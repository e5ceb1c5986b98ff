"""Segments cases."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.console import reporting, summarise
from bundle.cli.options import (
    CheckpointOption,
    DataOption,
    DeviceOption,
    PatternOption,
    SetOption,
    SourceArgument,
    all_settings,
    exit_codes,
    expanded,
    given_source,
    only_one,
)
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import check_case_id, list_cases
from bundle.errors import UsageError
from bundle.names.file_names import case_name
from bundle.names.patterns import parse_patterns
from bundle.tasks.modalities import MODALITIES

Images = list[Path] | None
"""Values of an option that is given once; with a single value the last one would win without a
word.
"""

ONE_FILE: dict[str, Any] = {"metavar": "<path>", "callback": expanded}
NAMES = {
    "t1n": "--t1n (--t1)",
    "t1c": "--t1c (--t1ce)",
    "t2w": "--t2w (--t2)",
    "t2f": "--t2f (--flair)",
}


class Convention(StrEnum):
    """Numbering of label maps on disk."""

    brats2023 = "brats2023"
    brats2021 = "brats2021"
    msd = "msd"


def segment(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for the results, one subfolder per case.", callback=expanded
        ),
    ],
    source: SourceArgument = None,
    data: DataOption = None,
    t1n: Annotated[Images, typer.Option("--t1n", "--t1", help="T1 image.", **ONE_FILE)] = None,
    t1c: Annotated[
        Images, typer.Option("--t1c", "--t1ce", help="T1 image with contrast agent.", **ONE_FILE)
    ] = None,
    t2w: Annotated[Images, typer.Option("--t2w", "--t2", help="T2 image.", **ONE_FILE)] = None,
    t2f: Annotated[
        Images, typer.Option("--t2f", "--flair", help="T2-FLAIR image.", **ONE_FILE)
    ] = None,
    case_id: Annotated[str | None, typer.Option(help="Name of the case, with named files.")] = None,
    pattern: PatternOption = None,
    modalities: Annotated[
        str | None,
        typer.Option(help="What one 4D file holds, in the order of its volumes: t1n,t1c,t2w,t2f."),
    ] = None,
    labels: Annotated[
        Convention, typer.Option(help="Numbering of the label map on disk.")
    ] = Convention.brats2023,
    preview: Annotated[bool, typer.Option("--preview", help="Also draw a PNG per case.")] = False,
    slicer: Annotated[
        bool, typer.Option("--slicer", help="Also write files for 3D Slicer, and a script.")
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
    images = dict(zip(MODALITIES, (t1n, t1c, t2w, t2f), strict=True))
    with exit_codes():
        root = given_source(source, data) if source or data else None
        cases = _cases(root, _files(images), case_id, pattern)
        cases = cases if modalities is None else _declared(cases, modalities)
        values = {
            "label_convention": labels.value,
            "device_name": device,
            "preview": preview,
            "slicer": slicer,
        }
        values["overwrite"] = overwrite
        values = all_settings(values, {"checkpoint": checkpoint}, settings)
        with reporting("segmenting", len(cases)) as report:
            outcomes = segment_cases(cases, out, settings=values, report=report)
        summarise(outcomes, out)


def _files(images: Mapping[str, Images]) -> dict[str, Path]:
    """Return the named files by modality, absolute: from any working folder a viewer finds them by
    CASE.json.
    """
    given = {modality: paths for modality, paths in images.items() if paths}
    return {
        modality: only_one(NAMES[modality], paths).absolute() for modality, paths in given.items()
    }


def _cases(
    source: Path | None, files: dict[str, Path], case_id: str | None, pattern: list[str] | None
) -> tuple[dict[str, Any], ...]:
    if (source is None) == (not files):
        raise UsageError(
            "E_USAGE",
            "What to segment must be named, as SOURCE or else as files (--t1n, --t1c, --t2w,"
            f" --t2f); got {'neither' if source is None else 'both'}. Give one of the two.",
        )
    if source is not None:
        if case_id is not None:
            raise UsageError(
                "E_USAGE",
                "--case-id goes with named files; folders and lists give their own names. Leave it"
                " out.",
            )
        return list_cases(source, parse_patterns(pattern or []))
    if pattern:
        raise UsageError(
            "E_USAGE", "--pattern goes with a folder; named files need none. Leave it out."
        )
    name = case_id or case_name(*files.values())
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
