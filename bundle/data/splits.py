"""Divides cases into training and validation, the same way every time."""

import random
import re
from collections.abc import Sequence
from typing import Any

from bundle.errors import UsageError

Item = dict[str, Any]


def patient_of(case_id: str) -> str:
    """Name the patient of a case: from 2023 on, BraTS writes ``-PPPPP-VVV``, patient and visit."""
    return re.sub(r"(?<=-\d{5})-\d{3}$", "", case_id)


def split_cases(cases: Sequence[Item], validation_share: float, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
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
    patients = sorted({patient_of(case["case_id"]) for case in cases})
    if len(patients) < 2:
        raise UsageError(
            "E_SPLIT",
            f"Training needs cases of at least two patients, one to validate; got {len(patients)}. Add cases.",
        )
    count = min(max(1, round(validation_share * len(patients))), len(patients) - 1)
    chosen = set(random.Random(seed).sample(patients, count))
    validation = tuple(case for case in cases if patient_of(case["case_id"]) in chosen)
    return tuple(case for case in cases if patient_of(case["case_id"]) not in chosen), validation
