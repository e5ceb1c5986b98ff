"""Options of the commands that prepare exams."""

from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.options import expanded

ReferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODALITY",
        help="Modality to whose scan the others are brought; the finest one if left out.",
    ),
]
LeaveOutOption = Annotated[
    bool,
    typer.Option(
        "--leave-out-failed",
        help="Go on without a modality that cannot be registered; else its case fails.",
    ),
]
KeepNamesOption = Annotated[
    bool,
    typer.Option(
        "--keep-names",
        help="Name cases of DICOM studies after their patients' IDs; else by salted hashes.",
    ),
]
BrainMaskOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Mask of the brain, on the grid of one of the scans, for an exam with its skull.",
        callback=expanded,
    ),
]
BrainWeightsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="HD-BET weights for exams with their skull; those of the extra skull if left out.",
        callback=expanded,
    ),
]
