"""Weights of a network of classes, and what must be known beside them to use them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine
from torch import nn

from bundle.errors import SetupError, UserError
from bundle.files.json_file import read_json, write_json
from bundle.processes import is_first_process
from bundle.tasks.class_task import ClassTask
from bundle.training.time_limit import is_finished
from bundle.weights.checkpoints import write_with_checksum
from bundle.weights.state_file import save_state, tensor_bytes


@dataclass(frozen=True)
class AboutWeights:
    """What a network of classes was trained for.

    Attributes:
        task: name of a task of classes.
        modalities: in the network's order.
        classes: in the order of its logits.
        settings: of the inputs, by name; whoever uses the weights must read inputs in this way.
    """

    task: str
    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    settings: dict[str, str | int | float | None]


def about_file(weights: Path | str) -> Path:
    """Return the file that says what weights are for: ``model.json`` beside ``model.pt``."""
    return Path(weights).with_suffix(".json")


def read_about(weights: Path | str) -> AboutWeights:
    """Read what weights are for.

    Raises:
        SetupError: E_WEIGHTS, there is no such file beside them, or it is another one.
    """
    path = about_file(weights)
    try:
        facts = read_json(path)
        return AboutWeights(
            str(facts["task"]),
            tuple(map(str, facts["modalities"])),
            tuple(map(str, facts["classes"])),
            dict(facts["settings"]),
        )
    except (UserError, OSError, KeyError, TypeError, ValueError) as error:
        raise SetupError(
            "E_WEIGHTS",
            f"{path} must stand beside {Path(weights).name} and say what it was trained for; got"
            f" {error or type(error).__name__}. Keep both files of a training together.",
        ) from error


def check_about(
    about: AboutWeights, task: ClassTask, settings: dict[str, str | int | float | None]
) -> AboutWeights:
    """Return what weights are for, if it is what they are used for.

    Args:
        about: from ``read_about``.
        task: of the cases.
        settings: of the cases' inputs.

    Raises:
        SetupError: E_WEIGHTS, they were trained for something else.
    """
    trained = {"task": about.task, "modalities": about.modalities, **about.settings}
    wanted = {"task": task.name, "modalities": task.modality_names, **settings}
    for name in trained.keys() | wanted.keys():
        if trained.get(name) != wanted.get(name):
            raise SetupError(
                "E_WEIGHTS",
                f"The weights must be used as they were trained, {name} {trained.get(name)}; got"
                f" {wanted.get(name)}. Change that, or train anew.",
            )
    return about


def keep_experts(
    trainer: Engine, network: nn.Module, names: Sequence[str], path: Path | str
) -> None:
    """Store trained experts, to start the next stage from.

    Args:
        trainer: nothing is stored if it stopped before its last epoch.
        network: holds them.
        names: of those that were trained.
        path: of the file.
    """
    if is_finished(trainer) and is_first_process():
        prefixes = tuple(f"experts.{name}." for name in names)
        state = network.state_dict()
        save_state({name: state[name] for name in state if name.startswith(prefixes)}, Path(path))
    idist.barrier()


def keep_model(trainer: Engine, network: nn.Module, about: AboutWeights, path: Path | str) -> None:
    """Store the last weights, with their checksum and what they are for, ready for
    ``load_verified``.

    Args:
        trainer: nothing is stored if it stopped before its last epoch.
        network: as trained.
        about: goes to ``about_file``.
        path: of the weights.
    """
    if is_finished(trainer) and is_first_process():
        state = {name: value.cpu() for name, value in network.state_dict().items()}
        write_json(about_file(path), asdict(about))
        write_with_checksum(tensor_bytes(state), Path(path))
    idist.barrier()
