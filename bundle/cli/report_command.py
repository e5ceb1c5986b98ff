"""Makes reports of results that are there already."""

from pathlib import Path
from typing import Annotated

import typer

from bundle.cli.monai_loading import load_monai
from bundle.cli.options import ERRORS, TaskOption, chosen_task, exit_codes, expanded
from bundle.errors import CaseError, UsageError
from bundle.files.folder_owner import sole_owner
from bundle.plain_text import printable


def report(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of results.", callback=expanded)
    ],
    task: TaskOption = None,
    index_only: Annotated[
        bool, typer.Option("--index-only", help="Only the list of cases, not their pages.")
    ] = False,
) -> None:
    """Write a page per case, and OUT/index.html, from results that `segment` left.

    Nothing is computed anew. Images are shown where the files that were segmented still are where
    they were.
    """
    with exit_codes():
        declared = chosen_task(task)
        if not out.is_dir():
            raise UsageError(
                "E_USAGE", f"OUT must be a folder of results; got {out}. Check the path."
            )
        load_monai()  # takes seconds, for which neither help nor a wrong option should wait
        from bundle.outputs.report.index_page import check_index, write_index
        from bundle.outputs.report.written_results import report_written, result_names

        with sole_owner(out):
            check_index(out)
            failed = 0
            for case_id in () if index_only else result_names(out):
                try:
                    report_written(out, case_id, declared)
                except CaseError as error:
                    failed += 1
                    line = printable(f"{error.code}: {error}", keep_lines=True)
                    ERRORS.print(line, highlight=False, markup=False, soft_wrap=True)
            typer.echo(printable(str(write_index(out, declared))))
        if failed:
            raise typer.Exit(1)
