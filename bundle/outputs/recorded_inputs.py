"""Compares the inputs that a result names with those of a case."""

from collections.abc import Mapping
from typing import Any

from bundle.datasets.case_files import case_files
from bundle.datasets.decathlon import Channel

Inputs = Mapping[str, Mapping[str, Any]]
"""Modality to ``file``, ``sha256`` and, of a 4D file, ``channel``, as in a case's record."""


def is_same_input(earlier: Inputs, now: Inputs) -> bool:
    """Whether two records are of one input: each modality of both is the same file, or has the
    same bytes.
    """
    common = earlier.keys() & now.keys()
    return bool(common) and all(
        _is_same_file(earlier[modality], now[modality]) for modality in common
    )


def have_same_bytes(earlier: Inputs, now: Inputs) -> bool:
    """Whether each modality that two records share has the same bytes in both."""
    common = earlier.keys() & now.keys()
    return bool(common) and all(
        _are_same_bytes(earlier[modality], now[modality]) for modality in common
    )


def is_certainly_other(case: Mapping[str, Any], inputs: Inputs) -> bool:
    """Whether a case that could not be read is another one than that of a result.

    In doubt it is not.
    """
    try:
        files = case_files(case)
    except Exception:  # why the case failed, most often
        return False
    common = files.keys() & inputs.keys()
    return bool(common) and not all(
        inputs[name].get("file") == _file(files[name]) for name in common
    )


def files_of(inputs: Mapping[str, Any]) -> str:
    """Name the files of inputs in a sentence."""
    files = [str(entry.get("file", "?")) for entry in inputs.values() if isinstance(entry, Mapping)]
    return ", ".join(files) or "of which it does not tell the files"


def _file(value: Any) -> str:
    return str(value.file if isinstance(value, Channel) else value)


def _is_same_file(one: Any, other: Mapping[str, Any]) -> bool:
    if not isinstance(one, Mapping) or one.get("channel") != other.get("channel"):
        return False
    is_path = one.get("file") == other["file"] and other["file"] != "array"
    return is_path or _are_same_bytes(one, other)


def _are_same_bytes(one: Any, other: Mapping[str, Any]) -> bool:
    is_entry = isinstance(one, Mapping) and one.get("channel") == other.get("channel")
    return is_entry and one.get("sha256") == other["sha256"]
