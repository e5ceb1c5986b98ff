"""Segments exams."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.batch.segmenting import segment_cases
from bundle.commands.options import SOURCE_HELP, DeviceOption, PatternOption, SetOption, exit_codes
from bundle.commands.progress import reporting, summarise
from bundle.configuration import parse_settings
from bundle.data.cases import check_case_id, list_cases
from bundle.data.file_names import case_name
from bundle.data.patterns import parse_patterns
from bundle.errors import UsageError
from bundle.modalities import MODALITIES


class Convention(StrEnum):
    """Numbering of label maps on disk."""

    brats2023 = "brats2023"
    brats2021 = "brats2021"
    msd = "msd"


def segment(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results, one subfolder per case.")],
    source: Annotated[Path | None, typer.Argument(help=SOURCE_HELP)] = None,
    t1n: Annotated[Path | None, typer.Option("--t1n", "--t1", help="T1 image.")] = None,
    t1c: Annotated[Path | None, typer.Option("--t1c", "--t1ce", help="T1 image with contrast agent.")] = None,
    t2w: Annotated[Path | None, typer.Option("--t2w", "--t2", help="T2 image.")] = None,
    t2f: Annotated[Path | None, typer.Option("--t2f", "--flair", help="T2-FLAIR image.")] = None,
    case_id: Annotated[str | None, typer.Option(help="Name of the case, with named files.")] = None,
    pattern: PatternOption = None,
    modalities: Annotated[
        str | None, typer.Option(help="What one 4D file holds, in the order of its volumes: t1n,t1c,t2w,t2f.")
    ] = None,
    labels: Annotated[Convention, typer.Option(help="Numbering of the label map on disk.")] = Convention.brats2023,
    preview: Annotated[bool, typer.Option("--preview", help="Also draw a PNG per case.")] = False,
    slicer: Annotated[bool, typer.Option("--slicer", help="Also write files for 3D Slicer, and a script.")] = False,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Segment one case from named files, a case folder, or every case of a data set folder.

    Writes the label map, the entropy map and one weight map per acquired modality on the case's own grid.
    """
    files = dict(zip(MODALITIES, (t1n, t1c, t2w, t2f), strict=True))
    with exit_codes():
        # Absolute, as they go into CASE.json, by which a viewer finds them from any working folder.
        given = {name: path.absolute() for name, path in files.items() if path}
        cases = _cases(source, given, case_id, pattern)
        cases = cases if modalities is None else _declared(cases, modalities)
        values = {"label_convention": labels.value, "device_name": device, "preview": preview, "slicer": slicer}
        values |= parse_settings(settings or [])
        with reporting("segmenting", len(cases)) as report:
            outcomes = segment_cases(cases, out, settings=values, report=report)
        summarise(outcomes, out)


def _cases(
    source: Path | None, files: dict[str, Path], case_id: str | None, pattern: list[str] | None
) -> tuple[dict[str, Any], ...]:
    if (source is None) == (not files):
        raise UsageError("E_USAGE", "Give a folder or else named files (--t1n, --t1c, --t2w, --t2f), one of the two.")
    if source is not None:
        if case_id is not None:
            raise UsageError("E_USAGE", "--case-id goes with named files; folders give their own names.")
        return list_cases(source, parse_patterns(pattern or []))
    if pattern:
        raise UsageError("E_USAGE", "--pattern goes with a folder; named files need none.")
    name = case_id or case_name(next(iter(files.values())))
    return ({"case_id": check_case_id(name), "image": files},)


def _declared(cases: tuple[dict[str, Any], ...], modalities: str) -> tuple[dict[str, Any], ...]:
    if len(cases) != 1 or not isinstance(cases[0]["image"], Path) or not cases[0]["image"].is_file():
        raise UsageError("E_USAGE", "--modalities goes with one file; folders, lists and named files need none.")
    return ({**cases[0], "modalities": modalities},)
