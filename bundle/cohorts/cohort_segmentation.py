"""Segments many cases with the bundle's inference config."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.cohorts.runner import CaseOutcome, CaseRunner
from bundle.configuration import load_config
from bundle.files.atomic_file import check_writable

Report = Callable[[CaseOutcome], None]


def segment_cases(
    cases: Sequence[dict[str, Any]],
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> list[CaseOutcome]:
    """Segment cases with one loaded network, writing ``OUT/CASE/...`` and ``OUT/cases.csv``.

    Args:
        cases: from ``data.cases``, or dictionaries with ``case_id`` and ``image`` (modality to
            file).
        out: made if it is not there.
        settings: settings of ``configs/inference.yaml`` to replace.
        report: called with every outcome as soon as it is known.

    Raises:
        SetupError: weights or settings are unusable; no case was started.
        OutputError: ``out`` cannot be written; no case was started.
    """
    check_writable(out)
    parser = load_config(
        "inference.yaml", {**(settings or {}), "cases": tuple(cases), "output_dir": out}
    )
    runner: CaseRunner = parser.get_parsed_content("case_runner")
    if report is not None:
        runner.report = report
    return runner.run()
