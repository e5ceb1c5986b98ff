"""What each setting of the configs may be: checked before anything starts, whoever gave the
value.
"""

import math
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle.errors import SetupError
from bundle.tasks.class_task import ClassTask, load_class_task
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task

WHOLE = "whole"
"""As ``roi_size``: one window over all of a case that is not background."""

_TEXT = re.compile(r"[\w.:+-]+")
_SHARE = re.compile(r"(\d+)/(\d+)")
_INFINITY = math.inf


@dataclass(frozen=True)
class Kind:
    """What a setting may be.

    Attributes:
        rule: what a value must be, in words.
        accepts: tells whether a value is that.
        is_plain_text: on a command line the value is read as it stands; else as YAML.
        is_path: text stands for a file or folder; ``~`` is the user's home.
    """

    rule: str
    accepts: Callable[[Any], bool]
    is_plain_text: bool = False
    is_path: bool = False


def number(rule: str, low: float, high: float = _INFINITY, *, ends: str = "[]") -> Kind:
    """Make the kind of numbers from ``low`` to ``high``.

    A round bracket in ``ends`` leaves that end out.
    """
    return Kind(rule, lambda value: _is_number(value) and _lies_between(value, low, high, ends))


def whole(low: int, high: float = _INFINITY) -> Kind:
    """Make the kind of whole numbers from ``low`` to ``high``."""
    limit = f"from {low} to {high}" if high < _INFINITY else f"of at least {low}"
    return Kind(f"a whole number {limit}", lambda value: _is_whole(value) and low <= value <= high)


def choice(*options: str) -> Kind:
    """Make the kind of one among several words."""
    return Kind(
        f"one of {', '.join(options)}",
        lambda value: isinstance(value, str) and value in options,
        True,
    )


def optional(kind: Kind) -> Kind:
    """Make the kind that also knows null."""
    accepts = kind.accepts
    rule = f"{kind.rule}, or null"
    return Kind(
        rule, lambda value: value is None or accepts(value), kind.is_plain_text, kind.is_path
    )


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _lies_between(value: float, low: float, high: float, ends: str) -> bool:
    above = low < value if ends[0] == "(" else low <= value
    return above and (value < high if ends[1] == ")" else value <= high)


def _is_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and value != "" and "\0" not in value)


def _are_paths(value: Any) -> bool:
    return _is_path(value) or (
        isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_path, value))
    )


def _is_window(value: Any) -> bool:
    return value == WHOLE or (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(_is_whole(size) and size >= 1 for size in value)
    )


def _are_words(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) > 0 and all(_is_word(word) for word in value)
    )


def _is_share(value: Any) -> bool:
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 1 <= int(found.group(1)) <= int(found.group(2))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(_TEXT.fullmatch(value))


def _are_shares(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _is_word(name) and _is_number(share) and 0 <= share <= 1 for name, share in value.items()
    )


def _are_patterns(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) and text != "" for pair in value.items() for text in pair
    )


FLAG = Kind(
    "true or false (for monai.bundle: True or False)", lambda value: isinstance(value, bool)
)
AUTO_FLAG = Kind(
    "auto, true or false (for monai.bundle: auto, True or False)",
    lambda value: isinstance(value, bool) or value == "auto",
)
WORD = Kind("a word", _is_word, is_plain_text=True)
PATH = Kind(
    "a path (write a name that looks like a number as ./NAME)",
    _is_path,
    is_plain_text=True,
    is_path=True,
)
PATHS = Kind("a path or several ([a.pt, b.pt])", _are_paths, is_plain_text=True, is_path=True)
SHARE = number("a number from 0 to 1", 0, 1)
NOT_NEGATIVE = number("a number of at least 0", 0)
POSITIVE = number("a number greater than 0", 0, ends="(]")
BELOW_ONE = number("a number from 0 to less than 1", 0, 1, ends="[)")

SETTINGS: Mapping[str, Kind] = {
    "task_name": Kind(
        "the name of a task, or the path of its .yaml file",
        _is_path,
        is_plain_text=True,
        is_path=True,
    ),
    "class_task_name": WORD,
    "audio_kind": choice("smil", "20frames", "1s"),
    "image_size": whole(16, 2048),
    "max_tokens": whole(1, 4096),
    "n_buckets": whole(2, 2**22),
    "dropout": BELOW_ONE,
    "image_weights": optional(PATH),
    "text_weights": optional(PATH),
    "dataset_dir": PATH,
    "output_dir": PATH,
    "checkpoint": PATH,
    "device_name": WORD,
    "roi_size": Kind(
        f"three whole numbers of at least 1, such as [96, 96, 96], or {WHOLE}", _is_window
    ),
    "overlap": BELOW_ONE,
    "sw_batch_size": whole(1),
    "amp": AUTO_FLAG,
    "runtime": choice("auto", "torch", "openvino"),
    "label_convention": WORD,  # of those that the task has, see ``kinds_for``
    "entropy_per_region": FLAG,
    "weights_per_region": FLAG,
    "volumes_per_set": FLAG,
    "preview": FLAG,
    "report": FLAG,
    "slicer": FLAG,
    "dicom": FLAG,
    "dicom_entropy": FLAG,
    "on_grid_of": optional(WORD),
    "bids": FLAG,
    "overwrite": FLAG,
    "again": FLAG,
    "case_timeout_s": optional(POSITIVE),
    "retries": whole(0),
    "stop_after_failures": optional(whole(1)),
    "shard": optional(Kind("I/N with I from 1 to N, such as 3/10", _is_share, is_plain_text=True)),
    "maps_dir": optional(PATH),
    "default_maps": choice("none", "entropy", "all"),
    "patterns": optional(Kind("a mapping from names to patterns", _are_patterns)),
    "split_file": optional(PATH),
    "part": optional(WORD),
    "empty": choice("skip", "one"),
    "seed": whole(0, 2**32 - 1),
    "fold": whole(0),
    "validation_share": SHARE,
    "coverage": Kind("a mapping from modalities to shares from 0 to 1", _are_shares),
    "trained_experts": Kind("a list of modalities", _are_words),
    "start_from": optional(PATHS),
    "epochs": whole(1),
    "val_interval": whole(1),
    "batch_size": whole(1),
    "mofe_weight": NOT_NEGATIVE,
    "learning_rate": NOT_NEGATIVE,
    "warmup_epochs": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "max_gradient_norm": POSITIVE,
    "ema_decay": BELOW_ONE,
    "mixing_share": SHARE,
    "cache_rate": SHARE,
    "cache_dir": optional(PATH),
    "max_cache_gb": NOT_NEGATIVE,
    "num_workers": whole(0),
    "time_limit_minutes": optional(NOT_NEGATIVE),
}
"""Settings of the shipped configs.

One of an overlay may be whatever is of the kind of the overlay's own value.
"""


def kinds_for(task: Task) -> Mapping[str, Kind]:
    """Return the kinds of the settings where a task is given: its numberings, and rules with
    examples of it.
    """
    kinds = _with_examples(task.opened_first)
    example = f'{{{task.opened_first[0]}: "*_post*.nii.gz"}}'
    patterns = f"a mapping from names to patterns, such as {example}"
    kinds["patterns"] = optional(Kind(patterns, _are_patterns))
    kinds["label_convention"] = choice("auto", *task.numberings)
    return {**SETTINGS, **kinds}


def kinds_for_classes(task: ClassTask) -> Mapping[str, Kind]:
    """Return the kinds of the settings where a task of classes is given, with examples of it."""
    return {**SETTINGS, **_with_examples(task.modality_names)}


def _with_examples(modalities: Sequence[str]) -> dict[str, Kind]:
    examples = {
        "coverage": f"{{{modalities[0]}: 0.1}}",
        "trained_experts": f"[{', '.join(modalities[:2])}]",
    }
    return {
        key: replace(SETTINGS[key], rule=f"{SETTINGS[key].rule}, such as {example}")
        for key, example in examples.items()
    }


def check_settings(settings: Mapping[str, Any], missing: Collection[str] = ()) -> None:
    """Check settings as `monai.bundle run` has them, for ``initialize`` in the configs.

    Args:
        settings: name to value.
        missing: those that may also be null.

    Raises:
        SetupError: E_SETTING, a value is not what its setting may be; E_TASK, there is no such
            task.
    """
    kinds = kinds_of(settings)
    for name, value in settings.items():
        if not (value is None and name in missing):
            check_kind(name, value, kinds[name])


def kinds_of(settings: Mapping[str, Any]) -> Mapping[str, Kind]:
    """Return the kinds of settings that also name their task, ``task_name`` or
    ``class_task_name``.

    Raises:
        SetupError: E_SETTING, E_TASK, there is no such task.
    """
    for key in ("task_name", "class_task_name"):
        if key in settings:
            check_kind(key, settings[key], SETTINGS[key])
    if "class_task_name" in settings:
        return kinds_for_classes(load_class_task(settings["class_task_name"]))
    return kinds_for(load_task(settings["task_name"]) if "task_name" in settings else DEFAULT_TASK)


def check_kind(name: str, value: Any, kind: Kind) -> None:
    """Refuse a value of the wrong kind.

    Raises:
        SetupError: E_SETTING.
    """
    if not kind.accepts(value):
        raise SetupError(
            "E_SETTING", f"{name} must be {kind.rule}; got {value!r}. Change the setting."
        )


def kind_of(value: Any) -> Kind | None:
    """Derive what may replace a value of which nothing else is known; None where anything may."""
    if isinstance(value, bool):
        return FLAG
    if isinstance(value, int):
        return Kind("a whole number", _is_whole)
    if isinstance(value, float):
        return Kind("a number", _is_number)
    if isinstance(value, list):
        return Kind("a list", lambda other: isinstance(other, list | tuple))
    if isinstance(value, Mapping):
        return Kind("a mapping", lambda other: isinstance(other, Mapping))
    return (
        Kind("text", lambda other: isinstance(other, str | Path))
        if isinstance(value, str)
        else None
    )
