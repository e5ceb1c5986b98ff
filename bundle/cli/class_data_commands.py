"""What ``prepare`` and ``phantom`` do for tasks whose cases are classified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bundle.cli.options import expanded, refuse_given
from bundle.errors import OutputError, UsageError
from bundle.files.atomic_file import check_writable
from bundle.files.text_file import shown
from bundle.plain_text import printable
from bundle.tasks.class_task import ClassTask, load_class_task

DIGITS = "avmnist"
"""The one task whose cases are prepared."""
DRAWN = {DIGITS: ("mnist", "fsdd"), "image_text": ("images", "texts")}
"""Tasks whose cases can be drawn, and the folders that they then have."""
PANEL = "Audio-visual MNIST"

MnistOption = Annotated[
    Path | None,
    typer.Option(
        "--mnist",
        metavar="DIR",
        help="Folder with MNIST's four idx files, plain or .gz.",
        rich_help_panel=PANEL,
        callback=expanded,
    ),
]
FsddOption = Annotated[
    Path | None,
    typer.Option(
        "--fsdd",
        metavar="DIR",
        help="Folder of the Free Spoken Digit Dataset, or its recordings.",
        rich_help_panel=PANEL,
        callback=expanded,
    ),
]


def are_digits(sources: Sequence[Path], mnist: Path | None, fsdd: Path | None) -> bool:
    """Whether ``prepare`` is to pair digits; a folder of that name holds exams as any other does.

    Args:
        sources: what is to be prepared.
        mnist: as given.
        fsdd: as given.
    """
    named = any(str(source) == DIGITS and not source.exists() for source in sources)
    return named or mnist is not None or fsdd is not None


def prepare_digits(
    sources: Sequence[Path],
    mnist: Path | None,
    fsdd: Path | None,
    out: Path,
    others: Mapping[str, Any],
) -> None:
    """Pair MNIST's digits with spoken ones, and write them into one file.

    Args:
        sources: the word ``avmnist``, once.
        mnist: folder with MNIST's four files.
        fsdd: folder of the recordings.
        out: .npz file; one that is there is replaced.
        others: options by name that only exams have.

    Raises:
        UserError: an option is missing or too many, or a file is missing, damaged, or does not fit.
    """
    if [str(source) for source in sources] != [DIGITS]:
        got = ", ".join(map(str, sources)) or "none"
        raise UsageError(
            "E_USAGE",
            f"SOURCE must be the word {DIGITS} with --mnist and --fsdd; got {got}. Write simmlm"
            f" prepare {DIGITS} --mnist DIR --fsdd DIR -o FILE.npz.",
        )
    if mnist is None or fsdd is None:
        lacking = "--mnist" if mnist is None else "--fsdd"
        raise UsageError(
            "E_USAGE",
            f"{DIGITS} must be made of MNIST and recordings; got no {lacking}. Add {lacking} DIR.",
        )
    refuse_given(load_class_task(DIGITS), **others)
    if out.is_dir() or out.suffix != ".npz":
        raise UsageError(
            "E_OUTPUT",
            f"--out must name a file that ends with .npz; got {shown(out)}. Add the name.",
        )
    check_writable(out.absolute().parent)
    from bundle.classification.avmnist.pairing import SMIL
    from bundle.classification.avmnist.preparing import prepare_avmnist

    prepare_avmnist(mnist, fsdd, out)
    counts = f"{SMIL.n_training} training and {SMIL.n_test} test pairs of each class"
    typer.echo(printable(f"{out}: {counts}, spoken by {', '.join(SMIL.speakers)}"))


def draw_classes(task: ClassTask, out: Path, seed: int) -> None:
    """Draw what stands in for the public data of a task, in their layout.

    Args:
        task: of classes.
        out: receives folders, none of which may be there: they might be the real ones.
        seed: not negative; the same one draws the same bytes.

    Raises:
        UsageError: E_PHANTOM, the task's cases cannot be drawn, or the seed is negative.
        OutputError: E_EXISTS, one of the folders is there; E_WRITE, a file cannot be written.
    """
    if task.name not in DRAWN:
        raise UsageError(
            "E_PHANTOM",
            f"--task must be one whose cases can be drawn; got {task.name}. Choose one of"
            f" {', '.join(DRAWN)}.",
        )
    if seed < 0:
        raise UsageError("E_PHANTOM", f"--seed must be 0 or more; got {seed}. Choose another.")
    folders = [out / name for name in DRAWN[task.name]]
    for folder in folders:
        if folder.exists():
            raise OutputError(
                "E_EXISTS",
                f"{shown(folder)} must not be there yet; got one. Choose another folder.",
            )
    check_writable(out)
    if task.name == DIGITS:
        from bundle.classification.avmnist.drawn_digits import write_drawn_digits

        write_drawn_digits(out, seed=seed)
    else:
        from bundle.classification.image_text.drawn_food import write_drawn_food

        write_drawn_food(out, seed=seed)
    for folder in folders:
        typer.echo(printable(str(folder)))
