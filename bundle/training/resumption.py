"""Lets a training that was killed go on from the end of its last epoch."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from ignite.engine import Engine, Events

from bundle.errors import OutputError, SetupError, UsageError
from bundle.processes import is_first_process, only_training
from bundle.weights.state_file import load_state, save_state

LOGGER = logging.getLogger("simmlm")


class Stateful(Protocol):
    """Something whose state can be stored: a network, an optimizer, a schedule."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:
        """Take the state."""


class TrainingState:
    """Store everything that training changes before it starts and after each epoch, and start from
    there the next time.

    An epoch's randomness depends on seed and epoch alone (see ``CachedCases``), so an interrupted
    epoch is repeated exactly, and on a CPU the final weights are bit-equal to those of an
    uninterrupted run. Attach it after all other handlers of the trainer. The file's folder is made
    if it is not there, and no other process may train there meanwhile.

    Args:
        path: the file; it appears as a whole or not at all.
        parts: what changes, by name.
        settings: what must not change between start and continuation, as plain data.
    """

    def __init__(
        self, path: Path | str, parts: Mapping[str, Stateful], settings: Mapping[str, Any]
    ) -> None:
        self.path = Path(path)
        self.parts = dict(parts)
        self.settings = {
            name: json.dumps(value, default=str, sort_keys=True) for name, value in settings.items()
        }
        self._owned = ExitStack()

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.STARTED, self._resume)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)
        engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, self._leave)

    def _resume(self, engine: Engine) -> None:
        _make_folder(self.path.parent)
        self._owned.enter_context(only_training(self.path.parent))
        if not self.path.exists():
            self._save(
                engine
            )  # before any weights: a folder with weights but no state is somebody else's
            return
        state = load_state(self.path)
        self._check_settings(state["settings"])
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state["parts"][name])
        except (KeyError, ValueError, RuntimeError) as error:
            raise SetupError(
                "E_STATE",
                f"{self.path} must be of the same network and optimizer; {error} Choose another"
                " --out.",
            ) from None
        engine.state.epoch = state["epoch"]
        engine.state.iteration = state["epoch"] * (engine.state.epoch_length or 0)
        if state["epoch"]:
            LOGGER.info("Going on after epoch %d, from %s", state["epoch"], self.path)

    def _save(self, engine: Engine) -> None:
        if is_first_process():
            parts = {name: part.state_dict() for name, part in self.parts.items()}
            save_state(
                {"epoch": engine.state.epoch, "settings": self.settings, "parts": parts}, self.path
            )

    def _leave(self) -> None:
        self._owned.close()

    def _check_settings(self, before: Mapping[str, str]) -> None:
        changed = [name for name in self.settings if before.get(name) != self.settings[name]]
        if changed:
            what = ", ".join(
                f"{name} {before.get(name)} (now {self.settings[name]})" for name in changed
            )
            raise UsageError(
                "E_RESUME",
                f"A training must go on with the settings that it began with; {self.path} has"
                f" {_shortened(what)}. Use these again, or another --out; --start-from takes the"
                " weights of this one.",
            )


def _make_folder(folder: Path) -> None:
    """Make the folder of a run before its first epoch, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "E_OUTPUT",
            f"The output folder {folder} must be one to write to; got: {error.strerror}. Choose"
            " another.",
        ) from None


def case_ids(cases: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Name the cases of a data set, in order.

    Those of MONAI Label have no name but their image's.
    """
    return tuple(str(case.get("case_id") or case["image"]) for case in cases)


def _shortened(text: str, limit: int = 600) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
