"""Judges networks of classes, and classifies single cases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import DeviceOption, SetOption, all_settings, exit_codes, expanded
from bundle.errors import UsageError
from bundle.files.json_file import write_json
from bundle.plain_text import printable
from bundle.tasks.class_task import ClassTask


def evaluate_classes(
    data: Path,
    out: Path,
    task: ClassTask,
    *,
    checkpoint: Path | None,
    overlays: Sequence[str],
    given: Mapping[str, Any],
    settings: Sequence[str] | None,
) -> None:
    """Judge a network of classes.

    Args:
        data: labelled cases, as the task's config reads them.
        out: folder for scores and tables.
        task: of the cases.
        checkpoint: weights; there are none in the bundle.
        overlays: configs that they were trained with.
        given: settings that have options of their own.
        settings: the values of ``--set``.

    Raises:
        UsageError: E_USAGE, there are no weights.
    """
    if checkpoint is None:
        raise UsageError(
            "E_USAGE",
            f"--checkpoint must be given with --task {task.name}, for which the bundle has no"
            f" weights; got none. Train some: simmlm train {data} --task {task.name} -o FOLDER.",
        )
    values = all_settings({}, {**given, "dataset_dir": data, "checkpoint": checkpoint}, settings)
    load_monai()  # takes seconds, for which neither help nor a wrong option should wait
    from bundle.classification.cases_to_classes import evaluate

    typer.echo(f"Report: {evaluate(task, out, values, overlays=overlays)}")


def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="MODALITY=FILE",
            help="Files of one case, such as image=seven.png audio=seven.wav; any may be missing.",
        ),
    ],
    checkpoint: Annotated[
        Path,
        typer.Option(
            help="Weights of `simmlm train` for a task of classes, with the .json beside them.",
            callback=expanded,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Also write the answer as JSON.", callback=expanded),
    ] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            help="Config that the weights were trained with; may be repeated.", callback=expanded
        ),
    ] = None,
    device: DeviceOption = "auto",
    settings: SetOption = None,
) -> None:
    """Classify one case from the modalities that it has: what all of them say together, what each
    says alone, and how much the gate trusts it.
    """
    with exit_codes():
        named = _named_files(files)
        values = all_settings({"device_name": device}, {"checkpoint": checkpoint}, settings)
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.classification.cases_to_classes import classify

        answer = classify(named, values, overlays=overlay or ())
        typer.echo(printable(answer.to_text(), keep_lines=True))
        if out is not None:
            write_json(out, answer.to_json())


def _named_files(texts: Sequence[str]) -> dict[str, Path]:
    """Read ``MODALITY=FILE`` arguments.

    Raises:
        UsageError: E_USAGE, one has another form, or a modality comes twice.
    """
    files: dict[str, Path] = {}
    for text in texts:
        name, separator, path = text.partition("=")
        if not (name and separator and path) or name in files:
            raise UsageError(
                "E_USAGE",
                f"Files must be given as MODALITY=FILE, each modality once; got {text!r}. Write"
                " image=seven.png.",
            )
        files[name] = Path(path).expanduser()
    return files
