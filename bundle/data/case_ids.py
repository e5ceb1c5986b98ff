"""Names of cases and of the patients they belong to."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bundle.errors import UsageError


def is_case_id(case_id: str) -> bool:
    """Tell whether a name can be a folder of its own inside the output folder; ``..`` and paths cannot."""
    return bool(case_id) and case_id == Path(case_id).name and not case_id.startswith(".")


def check_distinct_ids(names: Iterable[str]) -> None:
    """Refuse two cases whose results would go into one folder.

    Raises:
        UsageError: two names are equal, or differ only in case.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise UsageError(
                "E_CASE_ID",
                f"Case names must differ in more than case; got {seen[name.lower()]} and {name}. Rename one.",
            )
        seen[name.lower()] = name


def patient_of(case_id: str) -> str:
    """Name the patient of a case: from 2023 on, BraTS writes ``-PPPPP-VVV``, patient and visit."""
    return re.sub(r"(?<=-\d{5})-\d{3}$", "", case_id)


def case_patient(case: Mapping[str, Any]) -> str:
    """Name the patient of a case: the one that its list gives, else the one that its name implies."""
    return str(case.get("patient") or patient_of(case["case_id"]))
