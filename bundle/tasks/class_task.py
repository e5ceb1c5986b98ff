"""A task that gives each case one class, as one declared thing: modalities and classes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bundle.errors import SetupError
from bundle.files.yaml_file import read_yaml
from bundle.tasks.modality_sets import ModalitySets
from bundle.tasks.parts import Modality

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILE = "class_task.yaml"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class ClassTask(ModalitySets):
    """Cases of several modalities, each of one class: ``configs/NAME/class_task.yaml``.

    Attributes:
        name: of its folder in ``configs``, lower-case letters, digits and underscores.
        title: in words.
        modalities: in the order of the network's, with shapes of their own.
        classes: in the order of the network's logits; empty where the training data tell them.
        over: folder in ``configs`` over whose configs those of this task are merged; None for none.

    Raises:
        SetupError: E_TASK, names are no names or not distinct.
    """

    name: str
    title: str
    modalities: tuple[Modality, ...]
    classes: tuple[str, ...] = ()
    over: str | None = None

    def __post_init__(self) -> None:
        names = [modality.name for modality in self.modalities]
        known = [*names, *(alias for one in self.modalities for alias in one.aliases)]
        unfit = [name for name in (self.name, *known) if not _NAME.fullmatch(name)]
        if unfit or not names or len(set(known)) < len(known):
            raise _malformed(
                self.name, f"modalities with distinct names of a-z, 0-9 and _; got {known}"
            )
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise _malformed(self.name, f"several distinct classes; got {list(self.classes)}")


def class_task_names() -> tuple[str, ...]:
    """Name the tasks of ``configs`` that give each case one class."""
    return tuple(sorted(path.parent.name for path in CONFIGS.glob(f"*/{FILE}")))


def load_class_task(name: str) -> ClassTask:
    """Read the task of a name.

    Raises:
        SetupError: E_TASK, there is none, or its file is malformed.
    """
    path = CONFIGS / name / FILE
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(class_task_names())
        raise SetupError("E_TASK", f"A task of classes must be one of {known}; got {name!r}.")
    try:
        facts = read_yaml(path)
        return ClassTask(**{**facts, **_parts(facts), "name": name})
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise _malformed(name, f"a ClassTask in {path}; got {error}") from error


def _parts(facts: Mapping[str, Any]) -> dict[str, Any]:
    modalities = [
        Modality(**{**one, "aliases": tuple(one.get("aliases", ()))}) for one in facts["modalities"]
    ]
    return {"modalities": tuple(modalities), "classes": tuple(map(str, facts.get("classes", ())))}


def _malformed(name: str, rule: str) -> SetupError:
    return SetupError("E_TASK", f"The task {name} must have {rule}. Correct its file.")
