"""What BIDS calls a case: subject and session, and back."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_BIDS_CASE = re.compile(r"sub-(?P<subject>[0-9A-Za-z]+)(?:_ses-(?P<session>[0-9A-Za-z]+))?")
_ESCAPE = "Z"
_PLAIN = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYabcdefghijklmnopqrstuvwxyz")
"""What a label of BIDS may hold, without the letter that escapes the rest."""

_ESCAPED = re.compile(rf"{_ESCAPE}([0-9a-f]{{2}})|(.)", re.S)


@dataclass(frozen=True)
class BidsName:
    """A case as BIDS names it.

    Attributes:
        subject: label behind ``sub-``, letters and digits.
        session: label behind ``ses-``; None where the case is all of its subject.
    """

    subject: str
    session: str | None = None

    @classmethod
    def of_case(cls, case_id: str) -> "BidsName":
        """Name a case: as it is called if that is BIDS, else by an escape of it.

        ``sub-01_ses-2`` stays so. Of ``scan-7`` the hyphen becomes ``Z2d``, as its byte is in
        UTF-8: two cases never share a name, but for ``sub-X`` and ``X``.
        """
        match = _BIDS_CASE.fullmatch(case_id)
        return cls(**match.groupdict()) if match else cls(_escaped(case_id))

    @property
    def folder(self) -> PurePosixPath:
        """Where the files of the case lie in a data set."""
        visit = () if self.session is None else (f"ses-{self.session}",)
        return PurePosixPath(self.participant, *visit, "anat")

    @property
    def participant(self) -> str:
        """The subject as ``participants.tsv`` has it."""
        return f"sub-{self.subject}"

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        visit = "" if self.session is None else f"_ses-{self.session}"
        return f"{self.participant}{visit}"


def unescaped_label(label: str) -> str:
    """Return the case id of which a subject's label was made by an escape.

    Raises:
        ValueError: it was not.
    """
    parts = [
        bytes.fromhex(code) if code else letter.encode() for code, letter in _ESCAPED.findall(label)
    ]
    return b"".join(parts).decode("utf-8", "surrogatepass")


def _escaped(case_id: str) -> str:
    return "".join(
        letter if letter in _PLAIN else "".join(f"{_ESCAPE}{byte:02x}" for byte in _bytes(letter))
        for letter in case_id
    )


def _bytes(letter: str) -> bytes:
    return letter.encode("utf-8", "surrogatepass")
