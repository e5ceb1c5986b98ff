"""Tests a MONAI Label server."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.console import reporting, summarise
from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    DataOption,
    PatternOption,
    SourceArgument,
    TaskOption,
    chosen_task,
    exit_codes,
    expanded,
    given_source,
)
from bundle.configuration import parse_settings
from bundle.datasets.listing import list_cases
from bundle.names.patterns import parse_patterns

TOKEN = "SIMMLM_TOKEN"


def ask(
    server: Annotated[
        str, typer.Argument(help="URL of the server, such as http://127.0.0.1:8000.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the label maps, one subfolder per case.",
            callback=expanded,
        ),
    ],
    source: SourceArgument = None,
    data: DataOption = None,
    pattern: PatternOption = None,
    model: Annotated[str, typer.Option(help="Name of the model on the server.")] = "simmlm",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Option of the request, as KEY=VALUE; may be repeated."),
    ] = None,
    task: TaskOption = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that the server may take for a case.")
    ] = 3600,
) -> None:
    """Let a MONAI Label server segment cases: their files are sent, label maps and facts come back.

    For a server with authentication put a bearer token into the environment variable SIMMLM_TOKEN.
    """
    logging.getLogger("urllib3").setLevel(
        logging.CRITICAL
    )  # it would print a server's broken headers as they are
    with exit_codes():
        declared = chosen_task(task)
        patterns = parse_patterns(pattern or [], task=declared)
        cases = list_cases(given_source(source, data), patterns, task=declared)
        options, token = parse_settings(settings or []), os.environ.get(TOKEN)
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.serving.label_server import LabelServer, ask_server

        client = LabelServer(
            server, model, options=options, token=token, timeout_s=timeout, task=declared
        )
        with reporting("asking", len(cases), declared) as report:
            outcomes = ask_server(client, cases, out, report=report)
        summarise(outcomes, out)
