"""Names of cases that do not name the patient, and are the same in every run."""

import hmac
import secrets
from pathlib import Path

from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.text_file import read_text
from bundle.plain_text import printable

SALT = "case_names.salt"
"""File beside the results: whoever has it can tell which case is which patient; keep it safe."""

_N_DIGITS, _N_VISIT = 10, 6
_SALT_BYTES = 32


def read_salt(path: Path) -> str:
    """Read the salt of names, or draw one and keep it in the file.

    The same file gives the same patient the same name in all runs; without it nobody can go from a
    name back to an identity, or from an identity to its name.

    Raises:
        UsageError: E_CASE_ID, the file holds no salt.
        OutputError: E_WRITE, it cannot be written.
    """
    if not path.exists():
        with appearing_at_once(path) as file:
            file.write(f"{secrets.token_hex(_SALT_BYTES)}\n".encode())
        path.chmod(0o600)
    salt = read_text(path, "a salt", "E_CASE_ID").strip()
    if len(salt) < _SALT_BYTES:
        raise UsageError(
            "E_CASE_ID",
            f"The salt {printable(path.name)} must have at least {_SALT_BYTES} letters; got"
            f" {len(salt)}. Delete the file to draw a new one.",
        )
    return salt


def case_name(patient: str, study_uid: str, salt: str) -> str:
    """Name a study, such as ``dicom-0123456789_visit-012345``.

    What stands before ``_visit`` is the patient's, so that splits keep visits together. A study
    without a patient's identity is named after itself.

    Args:
        patient: what tells patients apart; empty if it is not known.
        study_uid: StudyInstanceUID.
        salt: of `read_salt`.
    """
    person = _digits(f"patient {patient or study_uid}", salt, _N_DIGITS)
    return f"dicom-{person}_visit-{_digits(f'study {study_uid}', salt, _N_VISIT)}"


def _digits(text: str, salt: str, n: int) -> str:
    digest = hmac.digest(salt.encode(), text.encode(), "sha256")
    return f"{int.from_bytes(digest) % 10**n:0{n}d}"
