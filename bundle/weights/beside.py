"""Files that lie beside weights and say what was learnt of them, such as a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from bundle.errors import SetupError
from bundle.files.hashes import sha256_of_file
from bundle.files.json_file import read_json
from bundle.tasks.task import Task

AUTO, NONE = "auto", "none"


class OfWeights(Protocol):
    """What such a file holds."""

    @property
    def weights_sha256(self) -> str:
        """Checksum of the weights that it is of."""

    @property
    def task(self) -> str:
        """Name of their task."""


Content = TypeVar("Content", bound=OfWeights)


@dataclass(frozen=True)
class FilesBeside(Generic[Content]):
    """A kind of such files.

    Attributes:
        what: it is, in words.
        ending: ``.calibration.json`` is that of ``model.calibration.json``, beside ``model.pt``.
        command: that writes it.
        setting: that chooses it: ``none``; ``auto``, what lies beside the weights, if it is theirs;
            or a file.
        code: of what is wrong with it.
        parse: plain JSON to the content; a TypeError, ValueError, AttributeError or KeyError says
            that it is something else.
    """

    what: str
    ending: str
    command: str
    setting: str
    code: str
    parse: Callable[[Any], Content]

    def path(self, checkpoint: Path | str) -> Path:
        """Return where the file of weights lies, whether there is one or not."""
        weights = Path(checkpoint)
        return weights.with_name(weights.stem + self.ending)

    def load(
        self, chosen: str | Path, checkpoint: Path | str, weights_sha256: str | None, task: Task
    ) -> Content | None:
        """Load the file that a setting chooses.

        Args:
            chosen: value of the setting.
            checkpoint: the weights.
            weights_sha256: their checksum; None takes a file of any weights.
            task: of the network.

        Returns:
            None where there is none.

        Raises:
            SetupError: a file is missing, unreadable, or of other weights or another task.
        """
        path = self._chosen(chosen, checkpoint)
        if path is None:
            return None
        found = self._read(path)
        if weights_sha256 not in (None, found.weights_sha256):
            if str(chosen) == AUTO:  # newer weights were put in the place of those that it is of
                return None
            raise self.error(
                path,
                f"must be of the weights {checkpoint}; it is of others, with the SHA-256"
                f" {found.weights_sha256[:12]}...",
            )
        if found.task != task.name:
            raise self.error(path, f"must be of the task {task.name}; got one of {found.task}.")
        return found

    def used_sha256(
        self, used: Content | None, chosen: str | Path, checkpoint: Path | str
    ) -> str | None:
        """Return the checksum of the file that was loaded; None where none was."""
        path = self._chosen(chosen, checkpoint)
        return None if used is None or path is None else sha256_of_file(path)

    def error(self, path: Path, complaint: str) -> SetupError:
        """Return the error of a file, with the way out."""
        return SetupError(
            self.code,
            f"The {self.what} {path} {complaint} Run {self.command} with these weights, or set"
            f" {self.setting}=none.",
        )

    def _chosen(self, chosen: str | Path, checkpoint: Path | str) -> Path | None:
        if str(chosen) == NONE:
            return None
        if str(chosen) != AUTO:
            return Path(chosen)
        path = self.path(checkpoint)
        return path if path.is_file() else None

    def _read(self, path: Path) -> Content:
        if not path.is_file():
            raise self.error(path, "must be there; it is missing.")
        content = read_json(path)
        try:
            return self.parse(content)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise self.error(path, f"must be a file of {self.command}; got {error}.") from None
