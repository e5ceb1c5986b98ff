"""Divides cases into training, validation and test by patient, the same way every time."""

import random
from collections.abc import Sequence
from pathlib import Path

from bundle.datasets.split_file import (
    FOLD,
    TEST,
    TRAINING,
    VALIDATION,
    Item,
    Split,
    assign_parts,
    check_patients,
    read_split,
)
from bundle.errors import UsageError
from bundle.names.case_ids import case_patient


def divide(
    cases: Sequence[Item],
    split_file: Path | str | None = None,
    fold: int = 0,
    validation_share: float = 0.2,
    seed: int = 0,
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the training and the validation cases; test cases are in neither.

    Args:
        cases: dictionaries with ``case_id``.
        split_file: a file of ``split_files.write_split``. None: the parts that a list gives to its
            cases (``part``); without a validation part among them, one is drawn from the training
            cases.
        fold: the fold to validate on, of the split file or, where all training cases have one, of
            their list; the others train.
        validation_share: 0 to 1, of the patients, if drawn.
        seed: draws the patients.

    Raises:
        UsageError: split and cases do not fit together, or the fold does not exist.
    """
    if split_file is None:
        return _divide_listed(cases, fold, validation_share, seed)
    split = read_split(split_file)
    if not 0 <= fold < max(1, split.n_folds):
        raise UsageError(
            "E_SPLIT",
            f"fold must be one of the {split.n_folds} folds of {split_file}, from 0; got {fold}."
            " Correct it.",
        )
    parts = assign_parts(cases, split, str(split_file))
    if not split.n_folds:
        return parts[TRAINING], parts[VALIDATION]
    held_out = {TEST, f"{FOLD}{fold}"}
    training = {
        case["case_id"]
        for part, members in parts.items()
        if part not in held_out
        for case in members
    }
    return tuple(case for case in cases if case["case_id"] in training), parts[f"{FOLD}{fold}"]


def chosen_cases(
    cases: Sequence[Item], split_file: Path | str | None = None, part: str | None = None
) -> tuple[Item, ...]:
    """Return the cases of one part of a split, or without a split those that their list puts there.

    Args:
        cases: dictionaries with ``case_id`` and, where their list says so, ``part`` or ``fold``.
        split_file: a file of ``split_files.write_split``.
        part: left out, that to test of a split, or all cases of a list.

    Raises:
        UsageError: split and cases do not fit together, or there is no such part.
    """
    if split_file is None and part is None:
        return tuple(cases)
    if split_file is None:
        parts, name = _listed_parts(cases), "the list of cases"
    else:
        parts, name = assign_parts(cases, read_split(split_file), str(split_file)), str(split_file)
    chosen = part or TEST
    if not parts.get(chosen):
        known = (
            ", ".join(name for name, members in parts.items() if members)
            or "none, as it has no parts"
        )
        raise UsageError(
            "E_SPLIT",
            f"part must be one of {known} in {name}; got {chosen!r}. Correct it, or give the right"
            " --split.",
        )
    return parts[chosen]


def _listed_parts(cases: Sequence[Item]) -> dict[str, tuple[Item, ...]]:
    """Sort cases by the parts and the folds that their list gives them.

    One with a fold is in both.
    """
    names = [case.get("part") for case in cases]
    names += map(_fold_of, cases)
    parts: dict[str, tuple[Item, ...]] = {}
    for name in dict.fromkeys(filter(None, names)):
        parts[name] = tuple(case for case in cases if name in (case.get("part"), _fold_of(case)))
    return parts


def _fold_of(case: Item) -> str | None:
    return None if case.get("fold") is None else f"{FOLD}{case['fold']}"


def _divide_listed(
    cases: Sequence[Item], fold: int, validation_share: float, seed: int
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    parts: dict[str, tuple[Item, ...]] = {}
    for name in (TRAINING, VALIDATION, TEST):
        parts[name] = tuple(case for case in cases if case.get("part", TRAINING) == name)
    check_patients(parts, "The list of cases")
    if not parts[VALIDATION] and parts[TRAINING] and all(map(_fold_of, parts[TRAINING])):
        return _divide_by_fold(parts[TRAINING], fold)
    if fold != 0:
        raise UsageError(
            "E_SPLIT", f"fold must be 0 without a split file of folds; got {fold}. Set split_file."
        )
    if parts[TRAINING] and parts[VALIDATION]:
        return parts[TRAINING], parts[VALIDATION]
    return split_cases(parts[TRAINING], validation_share, seed)


def _divide_by_fold(cases: Sequence[Item], fold: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Divide by the folds that a list gives to all of its training cases."""
    folds: dict[str, tuple[Item, ...]] = {}
    for name in sorted(set(map(_fold_name, cases))):
        folds[name] = tuple(case for case in cases if _fold_of(case) == name)
    check_patients(folds, "The list of cases")
    held_out = f"{FOLD}{fold}"
    if held_out not in folds or len(folds) < 2:
        raise UsageError(
            "E_SPLIT",
            f"fold must be one of at least two in the list of cases, {', '.join(folds) or 'none'};"
            f" got {fold}. Correct it, or set split_file.",
        )
    return tuple(case for case in cases if _fold_of(case) != held_out), folds[held_out]


def _fold_name(case: Item) -> str:
    return f"{FOLD}{case['fold']}"


def split_cases(
    cases: Sequence[Item], validation_share: float, seed: int
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Divide cases by patient, so that no patient is on both sides.

    Args:
        cases: dictionaries with ``case_id``.
        validation_share: 0 to 1, at least one patient is put on each side.
        seed: draws the patients.

    Returns:
        Training and validation cases, each in the order given.

    Raises:
        UsageError: fewer than two patients.
    """
    patients = _patients(cases)
    if len(patients) < 2:
        raise UsageError(
            "E_SPLIT",
            f"Training needs cases of at least two patients, one to validate; got {len(patients)}."
            " Add cases.",
        )
    count = min(max(1, round(validation_share * len(patients))), len(patients) - 1)
    chosen = set(random.Random(seed).sample(patients, count))
    validation = tuple(case for case in cases if case_patient(case) in chosen)
    return tuple(case for case in cases if case_patient(case) not in chosen), validation


def draw_split(
    cases: Sequence[Item], *, validation_share: float = 0.1, test_share: float = 0.2, seed: int = 0
) -> Split:
    """Draw training, validation and test patients.

    Args:
        cases: dictionaries with ``case_id``.
        validation_share: above 0; of the patients, at least one.
        test_share: of the patients, at least one; 0 for no test part.
        seed: draws the patients, whatever the order of the cases.

    Raises:
        UsageError: the shares leave no patient to train.
    """
    _check_share("validation", validation_share, may_be_zero=False)
    _check_share("test", test_share, may_be_zero=True)
    patients = _shuffled(cases, seed)
    n_test = _count(test_share, len(patients))
    n_validation = _count(validation_share, len(patients))
    if n_test + n_validation >= len(patients):
        raise UsageError(
            "E_SPLIT",
            f"A split must leave patients to train; got {n_validation} to validate and {n_test} to"
            f" test of {len(patients)}. Choose smaller shares or add cases.",
        )
    drawn = {
        TRAINING: patients[n_test + n_validation :],
        VALIDATION: patients[n_test : n_test + n_validation],
        TEST: patients[:n_test],
    }
    return Split(seed, {VALIDATION: validation_share, TEST: test_share}, _case_ids(cases, drawn))


def draw_folds(
    cases: Sequence[Item], *, n_folds: int, test_share: float = 0.2, seed: int = 0
) -> Split:
    """Draw folds for cross-validation, of equal numbers of patients up to one, and test patients
    apart from them.

    Args:
        cases: dictionaries with ``case_id``.
        n_folds: 2 or more.
        test_share: of the patients, at least one; 0 for no test part.
        seed: draws the patients, whatever the order of the cases.

    Raises:
        UsageError: there are fewer patients than folds.
    """
    _check_share("test", test_share, may_be_zero=True)
    patients = _shuffled(cases, seed)
    n_test = _count(test_share, len(patients))
    if not 2 <= n_folds <= len(patients) - n_test:
        raise UsageError(
            "E_SPLIT",
            f"The number of folds must be 2 or more and at most that of the patients; got {n_folds}"
            f" folds, {len(patients)} patients and {n_test} of them to test. Choose fewer folds or"
            " add cases.",
        )
    drawn = {f"{FOLD}{fold}": patients[n_test + fold :: n_folds] for fold in range(n_folds)}
    return Split(seed, {TEST: test_share}, _case_ids(cases, {**drawn, TEST: patients[:n_test]}))


def _patients(cases: Sequence[Item]) -> list[str]:
    return sorted({case_patient(case) for case in cases})


def _shuffled(cases: Sequence[Item], seed: int) -> list[str]:
    listed = sorted({case.get("part", TRAINING) for case in cases} - {TRAINING})
    if listed:
        raise UsageError(
            "E_SPLIT",
            "A split must be drawn from undivided cases; got a list with parts of its own, also"
            f" {', '.join(listed)}. Train with that list as it is, or remove its parts.",
        )
    patients = _patients(cases)
    random.Random(seed).shuffle(patients)
    return patients


def _count(share: float, n_patients: int) -> int:
    return max(1, round(share * n_patients)) if share else 0


def _case_ids(cases: Sequence[Item], patients: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    part_of = {patient: part for part, members in patients.items() for patient in members}
    ids = sorted((case["case_id"], part_of[case_patient(case)]) for case in cases)
    parts: dict[str, tuple[str, ...]] = {}
    for part in filter(patients.get, patients):
        parts[part] = tuple(case_id for case_id, own in ids if own == part)
    return parts


def _check_share(name: str, share: float, *, may_be_zero: bool) -> None:
    if not (0 <= share < 1) or (share == 0 and not may_be_zero):
        raise UsageError(
            "E_SPLIT",
            f"The {name} share must be between 0 and 1; got {share:g}. Give 0.2 for 20 %.",
        )
