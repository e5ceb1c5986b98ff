"""The command ``simmlm``: thin over the configs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle import __version__
from bundle.batch.runner import OK, CaseOutcome, describe, log_outcome
from bundle.batch.segmenting import segment_cases
from bundle.configuration import parse_settings
from bundle.data.cases import case_name, check_case_id, list_cases, parse_patterns
from bundle.data.phantoms import write_phantoms
from bundle.demo import run_demo
from bundle.errors import UsageError, find_user_error
from bundle.modalities import MODALITIES
from bundle.training.stages import train as train_stages

app = typer.Typer(
    help="Brain-tumour segmentation from any non-empty set of T1, T1ce, T2 and FLAIR. For research, not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
ERRORS = Console(stderr=True)


class Naming(StrEnum):
    """File names and label values of generated exams."""

    brats2021 = "brats2021"
    brats2023 = "brats2023"


class Convention(StrEnum):
    """Numbering of label maps on disk."""

    brats2023 = "brats2023"
    brats2021 = "brats2021"
    msd = "msd"


SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Replace a setting of the config, as KEY=VALUE; may be repeated.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Set up what all commands share."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    # MONAI and torch warn about their own internals; what concerns a case is in its JSON.
    warnings.filterwarnings("ignore", module=r"(monai|torch|ignite)\b")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("simmlm").setLevel(logging.INFO)


@app.command()
def segment(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results, one subfolder per case.")],
    source: Annotated[Path | None, typer.Argument(help="A case folder, or a folder with one per case.")] = None,
    t1n: Annotated[Path | None, typer.Option("--t1n", "--t1", help="T1 image.")] = None,
    t1c: Annotated[Path | None, typer.Option("--t1c", "--t1ce", help="T1 image with contrast agent.")] = None,
    t2w: Annotated[Path | None, typer.Option("--t2w", "--t2", help="T2 image.")] = None,
    t2f: Annotated[Path | None, typer.Option("--t2f", "--flair", help="T2-FLAIR image.")] = None,
    case_id: Annotated[str | None, typer.Option(help="Name of the case, with named files.")] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(help="MODALITY=GLOB in the case folder, for files not named as in BraTS; may be repeated."),
    ] = None,
    labels: Annotated[Convention, typer.Option(help="Numbering of the label map on disk.")] = Convention.brats2023,
    preview: Annotated[bool, typer.Option("--preview", help="Also draw a PNG per case.")] = False,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Segment one case from named files, a case folder, or every case of a data set folder.

    Writes the label map, the entropy map and one weight map per acquired modality on the case's own grid.
    """
    files = dict(zip(MODALITIES, (t1n, t1c, t2w, t2f), strict=True))
    with _exit_codes():
        cases = _cases(source, {name: path for name, path in files.items() if path}, case_id, pattern)
        values = {"label_convention": labels.value, "device_name": device, "preview": preview}
        outcomes = _run(cases, out, {**values, **parse_settings(settings or [])})
        _summarise(outcomes, out)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with one subfolder per labelled case.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each stage.")] = None,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Train the experts alone, then gate and experts together with the More-vs-Fewer loss."""
    with _exit_codes():
        values: dict[str, Any] = {"device_name": device, **parse_settings(settings or [])}
        if epochs is not None:
            values["epochs"] = epochs
        typer.echo(f"weights: {train_stages(data, out, values)}")


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the exams.")],
    cases: Annotated[int, typer.Option(help="How many.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same exams.")] = 0,
    shape: Annotated[tuple[int, int, int], typer.Option(help="Voxels of 1 mm.")] = (96, 112, 80),
    naming: Annotated[Naming, typer.Option(help="File names and label values.")] = Naming.brats2023,
) -> None:
    """Draw exams with labels, so that everything can be tried without a download."""
    with _exit_codes():
        for folder in write_phantoms(out, n_cases=cases, seed=seed, shape=shape, naming=naming.value):
            typer.echo(folder)


@app.command()
def demo(out: Annotated[Path, typer.Argument(help="Folder for everything the demo makes.")] = Path("demo")) -> None:
    """Draw an exam, hide two of its modalities, segment both versions and compare them with the truth."""
    with _exit_codes():
        run_demo(out, typer.echo)


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


def _run(cases: tuple[dict[str, Any], ...], out: Path, values: dict[str, Any]) -> list[CaseOutcome]:
    if not ERRORS.is_terminal:
        return segment_cases(cases, out, settings=values, report=log_outcome)
    columns = (TextColumn("{task.description}"), *Progress.get_default_columns()[1:2], MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=ERRORS, transient=True) as progress:
        task = progress.add_task("segmenting", total=len(cases))

        def advance(outcome: CaseOutcome) -> None:
            progress.advance(task)
            progress.console.print(describe(outcome), highlight=False, markup=False)

        return segment_cases(cases, out, settings=values, report=advance)


def _summarise(outcomes: list[CaseOutcome], out: Path) -> None:
    failed = sum(outcome.status != OK for outcome in outcomes)
    typer.echo(f"{len(outcomes)} cases: {len(outcomes) - failed} ok, {failed} failed. Results: {out / 'cases.csv'}")
    if failed:
        raise typer.Exit(1)


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn errors that a user can mend into one line and the exit status of their kind."""
    try:
        yield
    except Exception as error:
        known = find_user_error(error)  # MONAI wraps what its transforms and configs raise
        if known is None:
            raise
        ERRORS.print(f"{known.code}: {known}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(known.exit_code) from None
