"""Options of the commands that go through many cases: what is done again, and when a run ends."""

from typing import Annotated

import typer

AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Also compute what an earlier run with these settings has done."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="A case that takes longer has failed."),
]
RetriesOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="How often a case is tried again that failed for a reason that may go away."
    ),
]
StopOption = Annotated[
    int | None,
    typer.Option("--stop-after-failures", min=1, help="End once so many cases have failed."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Only the I-th of N shares of the cases; processes of other shares may work in the"
        " same folder.",
    ),
]
