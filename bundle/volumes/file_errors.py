"""Turns whatever may go wrong with a file into one sentence with its case, its name and a
way out.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle.errors import CaseError
from bundle.plain_text import printable


@contextmanager
def naming(case_id: str, modality: str, path: Path) -> Iterator[None]:
    """Put case and file in front of every refusal; no exception but CaseError leaves.

    This is the only place that knows what the operating system and the libraries may raise.
    """
    try:
        yield
    except Exception as error:
        code, sentence = _explain(error)
        raise CaseError(
            code, f"{case_id}, {modality}, {printable(str(path))}: {printable(sentence)}"
        ) from error


def _explain(error: Exception) -> tuple[str, str]:
    match error:
        case CaseError():
            return error.code, str(error)
        case FileNotFoundError():
            return (
                "E_MISSING",
                "the file must exist; got nothing there, or a link to nothing. Check the path.",
            )
        case OSError(errno=errno.EISDIR | errno.ENOTDIR | errno.ELOOP):
            return (
                "E_NOT_A_FILE",
                f"the path must be that of a file; got {error.strerror}. Give the image itself.",
            )
        case OSError():
            return (
                "E_UNREADABLE",
                f"the file must be readable; got {error.strerror}. Check permissions and disk.",
            )
        case MemoryError():
            return (
                "E_MEMORY",
                (
                    "the image must fit into memory; got no more of it. Close programs, or resample"
                    " it to 1 mm."
                ),
            )
    return (
        "E_UNREADABLE",
        f"the file must be readable; got {type(error).__name__}: {error}. Report this as a defect.",
    )
