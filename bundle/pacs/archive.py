"""What is asked of an image archive (PACS), whichever way it speaks, and what its address says."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from bundle.errors import UsageError

EXTRA = "dicom,pacs"
"""What archives need."""

OWN_TITLE = "SIMMLM"
"""Application entity title of this program, unless another is given."""

_TITLE = r"[A-Za-z0-9_\- ]{1,16}"
_DIMSE = re.compile(
    rf"(?P<title>{_TITLE})@(?P<host>[A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)"
)
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")


class Archive(Protocol):
    """An archive that studies are fetched from and results stored in."""

    def fetch(self, study_uid: str) -> Iterator[Any]:
        """Yield the instances of a study, as pydicom's data sets.

        Raises:
            SetupError: E_PACS, the archive cannot be reached, has no such study, or breaks off.
        """

    def store(self, files: Iterable[Path]) -> None:
        """Store DICOM files.

        Raises:
            SetupError: E_PACS, the archive cannot be reached, or refuses one.
        """


@dataclass(frozen=True)
class Address:
    """Where an archive is.

    Attributes:
        url: of its DICOMweb service; empty for DIMSE.
        title: application entity title that it is called by; for DIMSE alone, as are the others.
    """

    url: str = ""
    title: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.url or f"{self.title}@{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``https://HOST/dicom-web`` or ``TITLE@HOST:PORT``.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith(("http://", "https://")):
        parts = urlsplit(text)
        if parts.hostname and "@" not in parts.netloc:
            return Address(url=text.rstrip("/"))
    found = _DIMSE.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 2**16:
        raise UsageError(
            "E_USAGE",
            "An archive must be named as https://HOST/dicom-web or, for DIMSE, as TITLE@HOST:PORT;"
            " got another form. A user goes into --user, the password into SIMMLM_PACS_PASSWORD.",
        )
    return Address(title=found["title"], host=found["host"].strip("[]"), port=int(found["port"]))


def check_uid(text: str, what: str) -> str:
    """Refuse what is no unique identifier of DICOM: it becomes part of a URL, or a file's name.

    Raises:
        UsageError: it is none.
    """
    if len(text) <= 64 and _UID.fullmatch(text):
        return text
    raise UsageError(
        "E_USAGE",
        f"{what} must be digits and points, at most 64; got {text[:80]!r}. Copy it again.",
    )
