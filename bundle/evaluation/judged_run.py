"""Reads what ``EvaluationReport`` wrote into a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.errors import UsageError
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.summary import Summary
from bundle.evaluation.task_names import TaskNames
from bundle.files.json_file import read_json
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

SCORES, SUMMARY = "scores.csv", "summary.json"


def read_scores(folder: Path, *, task: Task = DEFAULT_TASK) -> ScoreTable:
    """Read the scores of a run.

    Args:
        folder: of its report.
        task: of runs without a summary, or with one from before tasks were stored.

    Raises:
        UsageError: E_SCORES, there are none, or they do not fit the task of the summary.
    """
    names = TaskNames.of(task)
    if (folder / SUMMARY).is_file():
        facts = _read_facts(folder / SUMMARY)
        if "task" in facts:
            names = _names_of(folder / SUMMARY, facts["task"])
    return ScoreTable.read(folder / SCORES, names)


def read_summary(folder: Path, *, task: Task = DEFAULT_TASK) -> Summary:
    """Read the summary of a run.

    Args:
        folder: of its report.
        task: of a summary from before tasks were stored.

    Raises:
        UsageError: E_SCORES, there is none, or it is another file.
    """
    return Summary.from_json(_read_facts(folder / SUMMARY), TaskNames.of(task))


def same_facts(folders: Sequence[Path], keys: Sequence[str], task: Task) -> dict[str, Any]:
    """Return those facts that the summaries of all runs have, and have alike.

    Args:
        folders: of the reports.
        keys: of the facts.
        task: of which all must be.

    Raises:
        UsageError: E_SCORES, there is no summary, or it is of another task.
    """
    found = [_read_facts(folder / SUMMARY) for folder in folders]
    for folder, facts in zip(folders, found, strict=True):
        names = facts.get("task")
        other = names.get("name") if isinstance(names, dict) else None
        if other not in (None, task.name):
            raise UsageError(
                "E_SCORES",
                f"{folder} must be an evaluation of the task {task.name}; got one of {other}. Name"
                " its task with --task.",
            )
    return {
        key: found[0][key]
        for key in keys
        if key in found[0] and all(facts.get(key) == found[0][key] for facts in found)
    }


def _read_facts(path: Path) -> dict[str, Any]:
    facts = read_json(path)
    if not isinstance(facts, dict):
        raise _error(path, type(facts).__name__)
    return facts


def _names_of(path: Path, facts: Any) -> TaskNames:
    try:
        return TaskNames.from_json(facts)
    except (KeyError, TypeError, ValueError) as error:
        raise _error(path, f"{type(error).__name__}: {error}") from error


def _error(path: Path, got: str) -> UsageError:
    return UsageError(
        "E_SCORES",
        f"{path} must be a summary that `simmlm evaluate` wrote; got {got}. Judge again.",
    )
