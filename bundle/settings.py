"""Which settings the configs have and what each may be: checked before anything starts, whoever
gave the value.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bundle.setting_kinds import (
    AUTO_FLAG,
    BELOW_ONE,
    FLAG,
    NOT_NEGATIVE,
    PATH,
    PATHS,
    POSITIVE,
    SHARE,
    WHOLE,
    WORD,
    Kind,
    are_patterns,
    are_shares,
    are_widths,
    are_words,
    check_kind,
    choice,
    is_path,
    is_share,
    is_window,
    optional,
    whole,
)
from bundle.tasks.class_task import ClassTask, load_class_task
from bundle.tasks.contributions import Contributions
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task

SETTINGS: Mapping[str, Kind] = {
    "task_name": Kind(
        "the name of a task, or the path of its .yaml file",
        is_path,
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
    "calibration": PATH,
    "exam_reference": PATH,
    "device_name": WORD,
    "roi_size": Kind(
        f"three whole numbers of at least 1, such as [96, 96, 96], or {WHOLE}", is_window
    ),
    "spacing": whole(1, 8),
    "filters": Kind("a list of at least two whole numbers of at least 1", are_widths),
    "overlap": BELOW_ONE,
    "sw_batch_size": whole(1),
    "mirrored": FLAG,
    "amp": AUTO_FLAG,
    "runtime": choice("auto", "torch", "openvino"),
    "label_convention": WORD,  # of those that the task has, see ``kinds_for``
    "entropy_per_region": FLAG,
    "weights_per_region": FLAG,
    "contributions": choice(*Contributions),
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
    "shard": optional(Kind("I/N with I from 1 to N, such as 3/10", is_share, is_plain_text=True)),
    "maps_dir": optional(PATH),
    "default_maps": choice("none", "entropy", "all"),
    "patterns": optional(Kind("a mapping from names to patterns", are_patterns)),
    "split_file": optional(PATH),
    "part": optional(WORD),
    "empty": choice("skip", "one"),
    "seed": whole(0, 2**32 - 1),
    "fold": whole(0),
    "validation_share": SHARE,
    "coverage": Kind("a mapping from modalities to shares from 0 to 1", are_shares),
    "trained_experts": Kind("a list of modalities", are_words),
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
    kinds["patterns"] = optional(Kind(patterns, are_patterns))
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
