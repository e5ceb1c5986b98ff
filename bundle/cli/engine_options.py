"""Options of the commands that run many cases: where they are run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bundle.cohorts.engines import CohortEngine
from bundle.cohorts.ray_engine import RayEngine
from bundle.errors import UsageError


class Engine(StrEnum):
    """What runs cases."""

    serial = "serial"
    ray = "ray"


EngineOption = Annotated[
    Engine,
    typer.Option(
        help="serial runs one case after the other; ray many at once, on this machine or several."
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Head of the Ray cluster; with --engine ray alone this machine is used.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Cases at once, with --engine ray; as many as there is room for if left out."
    ),
]


def chosen_engine(
    engine: Engine, address: str | None, workers: int | None, out: Path, device: str = "cpu"
) -> CohortEngine | None:
    """Return the engine that was asked for; None for the one of the config.

    Args:
        engine: which.
        address: of a cluster.
        workers: how many.
        out: the output folder.
        device: of the network.

    Raises:
        UsageError: E_USAGE, an option goes with another engine, or the device with none.
    """
    if engine is Engine.ray:
        return RayEngine(out, address=address, workers=workers, device_name=device)
    for option, value in {"--address": address, "--workers": workers}.items():
        if value is not None:
            raise UsageError(
                "E_USAGE", f"{option} must come with --engine ray; got {value} without. Add it."
            )
    return None
