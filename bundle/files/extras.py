"""Packages that only some of this program needs, and what is said where they are missing."""

from importlib import import_module
from typing import Any

from bundle.errors import SetupError


def installing(extra: str) -> str:
    """Say how packages are installed, by the names of their extras, such as ``dicom,pacs``."""
    return f'pip install -e ".[{extra}]"'


def missing(what: str, extra: str, code: str = "E_EXTRA") -> SetupError:
    """Make the error for what is not installed.

    Args:
        what: package or program.
        extra: that brings it.
        code: of the error.
    """
    return SetupError(
        code, f"{what} must be installed for this; it is not. Run {installing(extra)}."
    )


def import_extra(module: str, extra: str) -> Any:
    """Import a module that need not be installed.

    Raises:
        SetupError: E_EXTRA, it is not.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise missing(module.partition(".")[0], extra) from error
