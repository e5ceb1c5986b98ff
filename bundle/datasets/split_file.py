"""Which case is in which part of a data set, as a JSON file that people can read, check and
publish.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.json_file import json_bytes, read_json
from bundle.names.case_ids import case_patient

Item = dict[str, Any]

TRAINING, VALIDATION, TEST = "training", "validation", "test"
FOLD = "fold-"

LOGGER = logging.getLogger("simmlm")


@dataclass(frozen=True)
class Split:
    """A division of cases into parts.

    Attributes:
        seed: drew the patients.
        shares: wanted share of the patients per drawn part.
        parts: part to case ids; ``training``, ``validation`` and ``test``, or ``fold-0`` and so on
            and ``test``.
    """

    seed: int
    shares: Mapping[str, float]
    parts: Mapping[str, tuple[str, ...]]

    @property
    def n_folds(self) -> int:
        """Number of folds, 0 for a split into training and validation."""
        return sum(name.startswith(FOLD) for name in self.parts)


def write_split(path: Path, split: Split) -> None:
    """Write a split; the same split may be written again.

    Raises:
        UsageError: E_OUTPUT, there is a file with another content: a split that results depend on
            is never replaced.
        OutputError: the file cannot be written.
    """
    content = {
        "seed": split.seed,
        "n_folds": split.n_folds,
        "shares": dict(split.shares),
        "parts": split.parts,
    }
    stored = json_bytes(content)
    if path.exists():
        if path.is_file() and path.read_bytes() == stored:
            return
        raise UsageError(
            "E_OUTPUT",
            f"A split file must not be replaced; got {path} with another content. Choose another"
            " name.",
        )
    with appearing_at_once(path) as file:
        file.write(stored)


def read_split(path: Path | str) -> Split:
    """Read a split and check that it can be one: known parts, none of the needed ones empty, no
    case in two parts.

    Raises:
        UsageError: it cannot; the message names the part or the case.
    """
    path = Path(path)
    content = read_json(path)
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, dict) or not all(_is_list_of_text(ids) for ids in parts.values()):
        raise _error(
            path, "must hold 'parts', each with a list of case ids", type(content).__name__
        )
    _check_parts(path, parts)
    _check_once(path, parts)
    seed, shares = content.get("seed", 0), content.get("shares", {})
    if type(seed) is not int or not isinstance(shares, dict):
        raise _error(
            path,
            "must hold a whole number as 'seed' and an object as 'shares'",
            f"{seed!r}, {shares!r}",
        )
    return Split(seed, shares, {name: tuple(ids) for name, ids in parts.items()})


def assign_parts(cases: Sequence[Item], split: Split, name: str) -> dict[str, tuple[Item, ...]]:
    """Sort cases into the parts of a split.

    Cases that it does not name are left out with a logged warning.

    Args:
        cases: dictionaries with ``case_id`` and, where known, ``patient``.
        split: the division.
        name: what messages call the split.

    Returns:
        Part to cases, in the order given.

    Raises:
        UsageError: a case of the split is not among the cases, or a patient is in two parts.
    """
    part_of = {case_id: part for part, ids in split.parts.items() for case_id in ids}
    missing = sorted(set(part_of) - {case["case_id"] for case in cases})
    if missing:
        raise _error(
            name, "must name cases of the data only", f"{_some(missing)} that the data lack"
        )
    left_out = sorted(case["case_id"] for case in cases if case["case_id"] not in part_of)
    if left_out:
        LOGGER.warning("%s names no part for %s; left out", name, _some(left_out))
    parts: dict[str, tuple[Item, ...]] = {}
    for part in split.parts:
        parts[part] = tuple(case for case in cases if part_of.get(case["case_id"]) == part)
    check_patients(parts, name)
    return parts


def check_patients(parts: Mapping[str, Iterable[Item]], name: str) -> None:
    """Refuse a division that has visits of one patient on two sides.

    Raises:
        UsageError: the message names the patient and both parts.
    """
    seen: dict[str, str] = {}
    for part, cases in parts.items():
        for case in cases:
            other = seen.setdefault(case_patient(case), part)
            if other != part:
                raise _error(
                    name,
                    "must keep a patient in one part",
                    f"{case_patient(case)} in {other} and {part}",
                )


def _check_parts(path: Path, parts: Mapping[str, list[str]]) -> None:
    n_folds = sum(part.startswith(FOLD) for part in parts)
    needed = {f"{FOLD}{fold}" for fold in range(n_folds)} if n_folds else {TRAINING, VALIDATION}
    if n_folds == 1 or not needed <= set(parts) <= needed | {TEST}:
        raise _error(
            path,
            "must have training and validation, or fold-0, fold-1 and so on, and maybe test",
            sorted(parts),
        )
    empty = sorted(part for part in needed if not parts[part])
    if empty:
        raise _error(path, "must have at least one case per part", f"none in {', '.join(empty)}")


def _check_once(path: Path, parts: Mapping[str, list[str]]) -> None:
    seen: dict[str, str] = {}
    for part, ids in parts.items():
        for case_id in ids:
            if case_id in seen:
                raise _error(
                    path, "must name a case once", f"{case_id} in {seen[case_id]} and {part}"
                )
            seen[case_id] = part


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _error(name: Path | str, rule: str, got: Any) -> UsageError:
    return UsageError(
        "E_SPLIT", f"{name} {rule}; got {got}. Correct the split, or draw one with simmlm split."
    )
