"""A file to which lines are added as they become known."""

import os
from pathlib import Path

from bundle.errors import OutputError
from bundle.files.atomic_file import cause_of


class GrowingFile:
    """Adds whole lines to a file, each with one call, so that a reader sees no half of one.

    What a killed process added stays; only a power failure may cost the last lines.

    Args:
        path: in a folder that exists; what is there is kept.

    Raises:
        OutputError: E_WRITE, it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._refused(error) from error

    def add(self, line: bytes) -> None:
        """Add a line, which ends with its line end.

        Raises:
            OutputError: E_WRITE.
        """
        try:
            rest = line
            while rest:  # a full disk takes a part first
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Give the file up; what was added stays."""
        os.close(self._descriptor)

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(
            "E_WRITE",
            f"{self.path} must be writable; got an error: {cause_of(error)}. Mend that and run"
            " again.",
        )
