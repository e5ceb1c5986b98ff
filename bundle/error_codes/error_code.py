"""The stable codes of errors, which tables, scripts and docs/errors.md use."""

from enum import StrEnum
from typing import Any

from bundle.error_codes import case_codes, exam_codes, image_codes, run_codes

ALL = image_codes.CODES | case_codes.CODES | exam_codes.CODES | run_codes.CODES


class ExplainedCode(StrEnum):
    """A code that equals its text, and what it says.

    Attributes:
        wrong: what the code says is wrong.
        way_out: what a user can do.
    """

    wrong: str
    way_out: str

    def __new__(cls, code: str, wrong: str, way_out: str) -> "ExplainedCode":
        """Make a member that equals the text of its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.wrong = wrong
        member.way_out = way_out
        return member


_enumeration: Any = ExplainedCode  # called with names it makes one, which type checkers do not see
ErrorCode: type[ExplainedCode] = _enumeration(
    "ErrorCode",
    {code.removeprefix("E_"): (code, *texts) for code, texts in ALL.items()},
    module=__name__,
)
"""All codes; `ErrorCode.GRID` is ``E_GRID``."""
