"""What is asked of pydicom, which need not be installed: it is imported where it is used."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bundle.files.extras import import_extra

EXTRA = "dicom"
"""What DICOM needs."""

_MAGIC, _MAGIC_AT = b"DICM", 128
_FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")  # of a file without the 128 bytes that begin others


def import_pydicom() -> Any:
    """Return the module.

    Raises:
        SetupError: E_EXTRA, it is not installed.
    """
    return import_extra("pydicom", EXTRA)


@contextmanager
def silent_pydicom() -> Iterator[Any]:
    """Return pydicom, which neither warns nor logs meanwhile: it quotes values, also of patients.

    Raises:
        SetupError: E_EXTRA, it is not installed.
    """
    pydicom = import_pydicom()
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield pydicom
        finally:
            logger.disabled = was_disabled


def looks_like_dicom(path: Path) -> bool:
    """Tell by its first bytes whether a file may be DICOM; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(_MAGIC_AT + len(_MAGIC))
    except OSError:
        return False
    return start[_MAGIC_AT:] == _MAGIC or (len(start) > 8 and start[:2] in _FIRST_GROUPS)
