"""Packs the bundle."""

from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import CheckpointOption, TaskOption, exit_codes, expanded


def pack(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Zip file; with --folder a folder that does not exist yet.",
            callback=expanded,
        ),
    ],
    folder: Annotated[
        bool, typer.Option("--folder", help="Write a folder instead of a zip file.")
    ] = False,
    task: TaskOption = None,
    checkpoint: CheckpointOption = None,
) -> None:
    """Pack configs, weights, code and docs into one bundle that runs without installing this
    package.
    """
    with exit_codes():
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.serving.bundle_archive import pack as write_pack

        files = write_pack(out, as_folder=folder, task=task, checkpoint=checkpoint)
        typer.echo(f"{out}: {len(files)} files")
