"""The command ``simmlm``: thin over the configs."""

import io
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from bundle import __version__
from bundle.cli.calibrate_command import calibrate
from bundle.cli.class_commands import predict
from bundle.cli.compare_command import compare
from bundle.cli.data_commands import data, phantom, split
from bundle.cli.evaluate_command import evaluate
from bundle.cli.join_command import join
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import exit_codes, expanded
from bundle.cli.pack_command import pack
from bundle.cli.pacs_commands import fetch, send
from bundle.cli.prepare_command import prepare
from bundle.cli.reference_command import reference
from bundle.cli.report_command import report
from bundle.cli.segment_command import segment
from bundle.cli.serve_command import ask
from bundle.cli.study_command import series
from bundle.cli.train_command import train

app = typer.Typer(
    help=(
        "Brain-tumour segmentation from any non-empty set of T1, T1ce, T2 and FLAIR. For research,"
        " not for diagnosis."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Set up what all commands share."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    _open_standard_streams()
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a name that a terminal cannot show must not end the program
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # MONAI and torch warn about their own internals; what concerns a case is reported with it.
    warnings.filterwarnings("ignore", module=r"(monai|torch|ignite)\b")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("simmlm").setLevel(logging.INFO)


def _open_standard_streams() -> None:
    """Let streams that a caller closed lead nowhere.

    Else the next files to be opened would get the messages.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


@app.command()
def demo(
    out: Annotated[
        Path, typer.Argument(help="Folder for everything the demo makes.", callback=expanded)
    ] = Path("demo"),
) -> None:
    """Draw a case, hide two of its modalities, segment both versions and compare them with the
    truth.
    """
    with exit_codes():
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.cli.demo import run_demo

        run_demo(out, typer.echo)


COMMANDS = (
    segment, report, prepare, series, fetch, send, train, evaluate, join, calibrate, reference,
    predict, compare,
    data, split, phantom, pack, ask,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
