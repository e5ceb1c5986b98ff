"""What several commands share: options, the console, the exit status of an error."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bundle.config_files import own_task
from bundle.configuration import parse_settings
from bundle.errors import OutputError, UsageError, explain
from bundle.files.atomic_file import cause_of, lacks_room
from bundle.interruption import InterruptedRunError
from bundle.plain_text import printable
from bundle.tasks.class_task import ClassTask, class_task_names, load_class_task
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task

ERRORS = Console(stderr=True)
SOURCE_HELP = (
    "A case folder, a folder with one per case (also BIDS, or files of several cases in one"
    " folder), a Decathlon or nnU-Net folder, a .csv or .json list, or an image of a case."
)


def expanded(value: Any) -> Any:
    """Replace ``~`` in a path or several, as typer's callback: no shell does so after
    ``--data=``.
    """
    if isinstance(value, list | tuple):
        return [expanded(item) for item in value]
    try:
        return type(value)(Path(value).expanduser()) if str(value).startswith("~") else value
    except RuntimeError:  # the home of nobody
        return value


SourceArgument = Annotated[
    Path | None, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, callback=expanded)
]
LabelledArgument = Annotated[
    Path | None,
    typer.Argument(metavar="SOURCE", help=f"Labelled cases. {SOURCE_HELP}", callback=expanded),
]
DataOption = Annotated[
    list[Path] | None,
    typer.Option("--data", metavar="SOURCE", help="SOURCE, said as an option.", callback=expanded),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a setting of the config, as KEY=VALUE; may be repeated."),
]
PatternOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=GLOB",
        help=(
            "What files are called in the case folders where not as in BraTS, such as"
            " t1c='*_post*.nii.gz' or label='*mask*'; may be repeated."
        ),
    ),
]
CheckpointOption = Annotated[
    Path | None, typer.Option(help="Weights; the shipped ones if left out.", callback=expanded)
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]


TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="NAME|FILE",
        help=(
            "What the cases show: a task of the bundle, or a .yaml file; its own if left out. To"
            " draw, train and evaluate also avmnist or image_text, which classify."
        ),
        callback=expanded,
    ),
]


def chosen_task(name: str | Path | None) -> Task:
    """Read the task that was asked for, or the bundle's own.

    Raises:
        SetupError: E_TASK, there is none of that name, or its file is malformed.
    """
    return load_task(own_task() if name is None else name)


def chosen_class_task(name: str | Path | None) -> ClassTask | None:
    """Read the task that was asked for if it gives each case one class; None for any other.

    Raises:
        SetupError: E_TASK, its file is malformed.
    """
    return load_class_task(str(name)) if str(name) in class_task_names() else None


def refuse_given(task: ClassTask, /, **options: Any) -> None:
    """Refuse options that mean nothing where cases have classes.

    Raises:
        UsageError: E_USAGE, one of them was given.
    """
    for name, value in options.items():
        if value:
            raise UsageError(
                "E_USAGE",
                f"--{name.replace('_', '-')} must be left out with --task {task.name}, whose cases"
                f" are classified; got {_shown(value)}. Leave it out.",
            )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def check_numbering(option: str, name: str | None, task: Task, *others: str) -> None:
    """Refuse a numbering of label maps that a task does not have; None is left to it.

    Args:
        option: that names it.
        name: of the numbering.
        task: which must have it.
        others: words that the option also takes.

    Raises:
        UsageError: it is not known.
    """
    known = (*others, *task.numberings)
    if name is not None and name not in known:
        raise UsageError(
            "E_USAGE", f"{option} must be one of {', '.join(known)}; got {name!r}. Choose one."
        )


def task_name(task: str | None, settings: Sequence[str] | None) -> str | None:
    """Return the name of the task that an option or ``--set task_name=...`` gives, if one does."""
    given = parse_settings(settings or [])
    return task or given.get("task_name") or given.get("class_task_name")


def given_source(source: Path | None, data: Sequence[Path] | None) -> Path:
    """Return the data of a command, which may be named by position or as ``--data``.

    Raises:
        UsageError: they are named twice, or not at all.
    """
    given = [*([] if source is None else [source]), *(data or [])]
    if not given:
        raise UsageError(
            "E_USAGE",
            "The data must be named, as SOURCE or --data SOURCE; got neither. Add the folder.",
        )
    return only_one("The data, SOURCE or --data,", given)


def only_one(what: str, given: Sequence[Path]) -> Path:
    """Return the value of an option for which the last of several would silently win.

    Raises:
        UsageError: there are several.
    """
    if len(given) > 1:
        both = " and ".join(map(str, given))
        raise UsageError(
            "E_USAGE", f"{what} must be given once; got {both}. Leave out all but one."
        )
    return given[0]


def all_settings(
    defaults: Mapping[str, Any], given: Mapping[str, Any], settings: Sequence[str] | None
) -> dict[str, Any]:
    """Join the settings that have options of their own with those of ``--set``.

    Args:
        defaults: which ``--set`` replaces.
        given: by options; None where one was left out.
        settings: the values of ``--set``.

    Raises:
        UsageError: a setting is given in both ways: one of them would win without a word.
    """
    set_values = parse_settings(settings or [])
    given = {name: value for name, value in given.items() if value is not None}
    for name in given.keys() & set_values.keys():
        raise UsageError(
            "E_USAGE",
            f"{name} must be given once; got {given[name]} by its own option and {set_values[name]}"
            " by --set. Leave out one of them.",
        )
    return {**defaults, **set_values, **given}


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors that a user can mend into one line and the exit status of their kind."""
    try:
        yield
    except InterruptedRunError as error:
        line = f"Ended by {error}. What was done is kept; the same command goes on."
        ERRORS.print(line, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    except Exception as error:
        known = explain(error) or _full(error)  # MONAI wraps what its transforms and configs raise
        if known is None:
            raise
        line = f"{known.code}: {printable(str(known), keep_lines=True)}"
        ERRORS.print(line, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(known.exit_code) from None


def _full(error: BaseException | None) -> OutputError | None:
    """Say what the system says where nothing more can be written, whoever tried."""
    while error is not None and not lacks_room(error):
        error = error.__cause__ or error.__context__
    if not isinstance(error, OSError):
        return None
    return OutputError(
        "E_WRITE",
        f"{error.filename or 'The output'} must be writable; got an error: {cause_of(error)}. Mend"
        " that and run again.",
    )
