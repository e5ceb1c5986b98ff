"""Segments many cases with the bundle's inference config."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.cohort_preparation import PreparedFirst, options_told
from bundle.cohorts.engines import CohortEngine
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.workers import ConfigRun, RunCase
from bundle.config_files import own_task
from bundle.configuration import load_config
from bundle.files.atomic_file import check_writable
from bundle.interruption import InterruptedRunError
from bundle.outputs.report.index_page import check_index, write_index
from bundle.outputs.run_files import TABLE
from bundle.preparing.options import PrepareOptions
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task

CONFIG = "inference.yaml"

Report = Callable[[CaseOutcome], None]


def segment_cases(
    cases: Sequence[dict[str, Any]],
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    report: Report | None = None,
    engine: CohortEngine | None = None,
    prepare: PrepareOptions | None = None,
) -> list[CaseOutcome]:
    """Segment cases with one loaded network, writing ``OUT/CASE/...`` and ``OUT/cases.csv``.

    Args:
        cases: from ``list_cases``, or dictionaries with ``case_id`` and ``image`` (modality to
            file).
        out: made if it is not there.
        settings: settings of ``configs/inference.yaml`` to replace.
        report: called with every outcome as soon as it is known.
        engine: runs the cases; that of the config if left out.
        prepare: how each case is prepared first, into ``OUT/CASE/prepared``; None for cases that
            are prepared already.

    Raises:
        SetupError: weights or settings are unusable; no case was started.
        OutputError: ``out`` cannot be written, or its ``index.html`` is somebody else's; no case
            was started.
    """
    check_writable(out)
    values = {**(settings or {}), "output_dir": out}
    # A list that is there must not grow old beside new results.
    is_listed = check_index(out) or values.get("report")
    task = load_task(values.get("task_name") or own_task())
    # The network is loaded where cases are run, which need not be in this process.
    make_run: Callable[[], RunCase] = ConfigRun(CONFIG, values)
    prepared = None
    if prepare is not None:
        prepared = PreparedFirst(make_run, prepare, task, out, bool(values.get("again")))
        make_run = prepared
    parts = {"make_run": make_run, "cases": tuple(cases)}
    runner: CaseRunner = load_config(CONFIG, {**values, **parts}).get_parsed_content("case_runner")
    if prepared is not None and runner.find_done is not None:
        runner.find_done = partial(prepared.find_done, runner.find_done)
        runner.identity = {**(runner.identity or {}), "prepare": options_told(prepared.options)}
    if engine is not None:
        runner.engine = engine
    if report is not None:
        runner.report = report
    with _listing(out, task) if is_listed else nullcontext():
        return runner.run()


@contextmanager
def _listing(out: Path, task: Task) -> Iterator[None]:
    """List the cases once they were run, also where a signal ended that; shards do it when they
    have a table of all cases.
    """
    try:
        yield
    except InterruptedRunError:
        _list_cases(out, task)
        raise
    _list_cases(out, task)


def _list_cases(out: Path, task: Task) -> None:
    if (out / TABLE).exists():
        write_index(out, task)
