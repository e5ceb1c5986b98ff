"""Names a preprocessed case by what it is made of: the bytes of its files and the transforms with
their settings.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial, singledispatch
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import monai
import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from bundle import __version__
from bundle.cases.label_collections import naming
from bundle.files.hashes import sha256_of, sha256_of_file

_VERSIONS = {"simmlm": __version__, "monai": monai.__version__, "torch": torch.__version__}
_PAIRS = ((".hdr", ".img"), (".img", ".hdr"), (".hdr.gz", ".img.gz"), (".img.gz", ".hdr.gz"))


def settings_digest(settings: Any) -> str:
    """Digest transforms with all their parameters, and the versions of what runs them.

    Raises:
        TypeError: a parameter is an object that cannot be told from another of its kind.
    """
    return _digest_of([_VERSIONS, describe(settings)])


def case_key(case: Mapping[str, Any], settings: str) -> str:
    """Name the result of preprocessing a case.

    One voxel or one parameter changed gives another name.

    Where a file lies and what it is called does not matter, but for the numbering that a label's
    name declares, and the names inside a case folder, which say what is which modality.

    Args:
        case: ``case_id`` and inputs; every ``Path``, and every text that is one, stands for its
            content.
        settings: from ``settings_digest``.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        OSError: a file cannot be read.
        TypeError: a value is an object that cannot be told from another of its kind.
    """
    label = case.get("label")
    numbering = (
        naming(Path(label), str(case.get("case_id", ""))) if isinstance(label, str | Path) else None
    )
    inputs = {
        name: value if name == "case_id" else _with_files(value) for name, value in case.items()
    }
    return _digest_of([settings, numbering, describe(inputs)])


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Within a process a file is read once, unless it changes.
    """
    status = path.stat()
    # The change time cannot be set back, so not even a file with its old size and date is mistaken
    # for the old one.
    return _file_digest(
        path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


@cache
def _file_digest(path: Path, *_identity: int) -> str:
    return sha256_of_file(path)


def _digest_of(description: Any) -> str:
    return sha256_of(json.dumps(description, sort_keys=True).encode())


def _with_files(value: Any) -> Any:
    """Put a path beside each text that names a file or folder."""
    if isinstance(value, str):
        return [value, Path(value)] if _exists(value) else value
    if isinstance(value, Mapping):
        return {name: _with_files(part) for name, part in value.items()}
    return [_with_files(part) for part in value] if isinstance(value, list | tuple) else value


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a path, or with a null byte
        return False


@singledispatch
def describe(value: Any) -> Any:
    """Describe a value in JSON, so that values which work differently differ: an object by its
    class and attributes.

    Raises:
        TypeError: the object shows only its address.
    """
    if is_dataclass(value):  # its fields alone: what it computes from them later is no setting
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return ["object", describe(type(value)), describe(named)]
    if hasattr(value, "__dict__"):
        # what differs between threads is no setting: MONAI's transforms get such an attribute when
        # they are first used
        held = {
            name: part
            for name, part in vars(value).items()
            if not isinstance(part, threading.local)
        }
        return ["object", describe(type(value)), describe(held)]
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(
            f"A setting must show its value; got {text}. Use numbers, text, functions, or objects"
            " with attributes."
        )
    return [describe(type(value)), text]


@describe.register(str | int | float | None)
def _(value: Any) -> Any:
    return value


@describe.register
def _(value: Enum) -> Any:
    return [describe(type(value)), value.name]


@describe.register
def _(value: Mapping) -> Any:
    return [
        "mapping",
        *sorted(([describe(name), describe(part)] for name, part in value.items()), key=json.dumps),
    ]


@describe.register(list | tuple)
def _(value: Sequence[Any]) -> Any:
    return ["sequence", *(describe(part) for part in value)]


@describe.register(set | frozenset)
def _(value: Any) -> Any:
    return ["set", *sorted((describe(part) for part in value), key=json.dumps)]


@describe.register(np.ndarray | np.generic)
def _(value: Any) -> Any:
    if value.dtype.hasobject:
        raise TypeError(f"An array must hold numbers or text; got {value.dtype}. Convert it.")
    return [
        "array",
        value.dtype.str,
        value.shape,
        sha256_of(np.ascontiguousarray(value).tobytes()),
    ]


@describe.register
def _(value: Tensor) -> Any:
    voxels = value.as_tensor() if isinstance(value, MetaTensor) else value
    content = voxels.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    affine = describe(value.affine) if isinstance(value, MetaTensor) else None
    return [
        "tensor",
        str(value.dtype),
        list(value.shape),
        sha256_of(content),
        affine,
    ]


@describe.register
def _(value: Path) -> Any:
    if value.is_dir():
        files = sorted(path for path in value.rglob("*") if path.is_file())
        return [
            "folder",
            *([path.relative_to(value).as_posix(), file_digest(path)] for path in files),
        ]
    if value.exists() and not value.is_file():
        raise OSError(f"{value} is a pipe or a device")  # it would block or never end
    halves = [
        value.with_name(value.name[: -len(own)] + other)
        for own, other in _PAIRS
        if value.name.endswith(own)
    ]
    return [
        "file",
        *(file_digest(path) for path in (value, *halves) if path is value or path.is_file()),
    ]


@describe.register
def _(value: type) -> Any:
    return f"{value.__module__}.{value.__qualname__}"


@describe.register
def _(value: BuiltinFunctionType) -> Any:
    return [value.__module__, value.__qualname__]


@describe.register
def _(value: FunctionType) -> Any:
    held = [cell.cell_contents for cell in value.__closure__ or ()]
    settings = describe([value.__defaults__, value.__kwdefaults__, held])
    return [value.__module__, value.__qualname__, describe(value.__code__), settings]


@describe.register
def _(value: CodeType) -> Any:
    return [value.co_code.hex(), list(value.co_names), describe(value.co_consts)]


@describe.register
def _(value: MethodType) -> Any:
    return [describe(value.__func__), describe(value.__self__)]


@describe.register
def _(value: partial) -> Any:
    return ["partial", describe(value.func), describe(value.args), describe(value.keywords)]
