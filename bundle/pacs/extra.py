"""Imports what the extra ``pacs`` brings, or says how to install it."""

import importlib
from typing import Any

from bundle.errors import SetupError


def needed(module: str) -> Any:
    """Import a module of the extra.

    Raises:
        SetupError: E_EXTRA, it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SetupError(
            "E_EXTRA",
            f"To talk to an archive {module.partition('.')[0]} must be installed; got: {error}. Run"
            ' pip install "simmlm[dicom,pacs]".',
        ) from None
