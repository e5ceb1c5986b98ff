"""What several commands share: options, the console, the exit status of an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from bundle.errors import find_user_error

ERRORS = Console(stderr=True)
SOURCE_HELP = (
    "A case folder, a folder with one per case, a Decathlon folder, a .csv or .json list, or an image of a case."
)

SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Replace a setting of the config, as KEY=VALUE; may be repeated.")
]
PatternOption = Annotated[
    list[str] | None,
    typer.Option(help="MODALITY=GLOB in the case folder, for files not named as in BraTS; may be repeated."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]


class Numbering(StrEnum):
    """Numbering of label maps, declared; the keys of ``regions.CONVENTIONS``."""

    brats_ped = "brats-ped"
    brats2021 = "brats2021"
    brats2023 = "brats2023"
    brats2024 = "brats2024"
    msd = "msd"


class TruthNumbering(StrEnum):
    """Numbering of expert label maps; ``auto`` tells it from names and values, or refuses."""

    auto = "auto"
    brats_ped = "brats-ped"
    brats2021 = "brats2021"
    brats2023 = "brats2023"
    brats2024 = "brats2024"
    msd = "msd"


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors that a user can mend into one line and the exit status of their kind."""
    try:
        yield
    except Exception as error:
        known = find_user_error(error)  # MONAI wraps what its transforms and configs raise
        if known is None:
            raise
        ERRORS.print(f"{known.code}: {known}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(known.exit_code) from None
