"""Options that name the images of one case: ``--image NAME=FILE`` for any task, and one option per
modality of the default task.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.options import expanded, only_one
from bundle.errors import UsageError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.parts import Modality
from bundle.tasks.task import Task

Images = list[Path] | None
"""Values of an option that is given once.

With a single value the last one would win without a word.
"""

ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="NAME=FILE",
        help="An image and the modality that it is of, by any name of it; may be repeated.",
    ),
]


def with_modality_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each modality of the default task, such as ``--t1c``.

    Where it has the parameter ``images`` they stand in the help, and there it gets their values, by
    modality.
    """

    @functools.wraps(command)
    def run(**values: Any) -> None:
        images = {name: values.pop(name) for name in DEFAULT_TASK.modality_names}
        command(images=images, **values)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        options = [_parameter(modality) for modality in DEFAULT_TASK.modalities]
        parameters += options if parameter.name == "images" else [parameter]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def named_files(
    images: Mapping[str, Images], image: Iterable[str] | None, task: Task
) -> dict[str, Path]:
    """Return the named files by modality, in order and absolute: from any working folder a viewer
    finds them by CASE.json.

    Args:
        images: of the modalities' own options.
        image: values of ``--image``.
        task: whose modalities there are.

    Raises:
        UsageError: a modality is none of the task's, or has two files.
    """
    found: dict[str, list[Path]] = {}
    called: dict[str, str] = {}
    for name, paths in images.items():
        if paths and name not in task.modality_names:
            raise UsageError(
                "E_USAGE",
                f"--{name} must be a modality of the task {task.name},"
                f" {', '.join(task.modality_names)}. Write --image NAME={paths[0]}.",
            )
        if paths:
            found[name] = list(paths)
            called[name] = " ".join(_called(DEFAULT_TASK.modality(name)))
    for option in image or ():
        name, path = _parsed(option, task)
        found.setdefault(name, []).append(path)
        called[name] = f"The image of {name}"
    return {name: only_one(called[name], found[name]).absolute() for name in task.in_order(found)}


def ways_to_name(task: Task) -> str:
    """Say with which options files are named."""
    own = [f"--{name}" for name in DEFAULT_TASK.modality_names if name in task.modality_names]
    return ", ".join(own or ["--image NAME=FILE"])


def _parameter(modality: Modality) -> inspect.Parameter:
    agent = " with contrast agent" if modality.agent else ""
    option = typer.Option(
        *_options(modality),
        metavar="<path>",
        callback=expanded,
        help=f"{modality.title} image{agent}.",
    )
    return inspect.Parameter(
        modality.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[Images, option],
    )


def _options(modality: Modality) -> tuple[str, ...]:
    """Name a modality's options: its own name, and the first other one in use."""
    others = [alias for alias in modality.aliases if alias != modality.name]
    return tuple(f"--{name}" for name in (modality.name, *others[:1]))


def _called(modality: Modality) -> tuple[str, ...]:
    own, *others = _options(modality)
    return (own, *(f"({other})" for other in others))


def _parsed(option: str, task: Task) -> tuple[str, Path]:
    name, separator, file = option.partition("=")
    if not separator or not file:
        example = f"{task.modality_names[0]}=image.nii.gz"
        raise UsageError(
            "E_USAGE", f"--image must be NAME=FILE, such as {example}; got {option!r}. Write it so."
        )
    try:
        return task.canonical_modality(name), expanded(Path(file))
    except ValueError as error:
        raise UsageError("E_USAGE", f"--image must be NAME=FILE; {error}") from None
