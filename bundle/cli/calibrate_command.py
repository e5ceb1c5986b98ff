"""Puts what an evaluation learnt about probabilities beside the weights."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import (
    CheckpointOption,
    TaskOption,
    chosen_task,
    exit_codes,
    expanded,
    task_name,
)
from bundle.errors import SetupError

HEADINGS = (
    "region",
    "modalities",
    "temperature",
    "ECE before, %",
    "ECE after, %",
    "volumes in interval, %",
)


def calibrate(
    judged: Annotated[
        Path,
        typer.Argument(
            help="Folder of `simmlm evaluate`, on cases that the weights were not trained on.",
            callback=expanded,
        ),
    ],
    checkpoint: CheckpointOption = None,
    cross_validated: Annotated[
        bool,
        typer.Option(
            help="The folder is of `simmlm join`, on the folds of a cross-validation with the same"
            " recipe; these weights were trained on all cases."
        ),
    ] = False,
    task: TaskOption = None,
) -> None:
    """Let entropies and intervals of volumes say how often they are right: temperatures and margins
    of an evaluation are put beside the weights, where inference finds them.

    Labels of voxels stay what they are, but for rounding.
    """
    with exit_codes():
        declared = chosen_task(task_name(task, None))
        load_monai()
        from bundle.configuration import load_config
        from bundle.evaluation.reports.report import CALIBRATION
        from bundle.evaluation.statistics.calibration_fit import rows
        from bundle.weights.calibration import CALIBRATIONS, load_calibration
        from bundle.weights.checkpoints import verified_sha256

        source = judged / CALIBRATION
        if not source.is_file():
            raise SetupError(
                "E_CALIBRATION",
                f"{judged} must be a folder of simmlm evaluate with calibration=none; got none with"
                f" a {CALIBRATION}. Judge the weights first.",
            )
        given = {} if checkpoint is None else {"checkpoint": checkpoint}
        weights = Path(load_config("inference.yaml", given).get_parsed_content("checkpoint"))
        own = verified_sha256(weights)
        found = load_calibration(source, weights, None, declared)
        assert found is not None
        if not cross_validated and found.weights_sha256 != own:
            raise SetupError(
                "E_CALIBRATION",
                f"{judged} must be an evaluation of the weights {weights}; it is of others. Judge"
                " these, or add --cross-validated if it joins the folds of a cross-validation with"
                " their recipe.",
            )
        replace(found, weights_sha256=own).write(CALIBRATIONS.path(weights))
        table = Table(*HEADINGS)
        for row in rows(found):
            table.add_row(*row)
        Console().print(table)
        typer.echo(
            f"{found.n_cases} cases. Each is judged by a fit to other cases; intervals aim at"
            f" {found.level:.0%}. Calibration: {CALIBRATIONS.path(weights)}"
        )
