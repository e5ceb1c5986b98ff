"""What an output of a case is: something that writes files beside the others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bundle.cases.case_record import CaseRecord
from bundle.outputs.case_result import CaseResult


class CaseOutput(Protocol):
    """One kind of files that a case becomes.

    From its names follows what must not be replaced, what is removed because it is of an earlier
    run, what the JSON lists, and what moves away with an outdated result. Names end with
    ``.nii.gz`` if and only if the file is a map on the grid of the case.
    """

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files that are written for a case."""

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name all files that this may write, whatever was acquired and with any settings."""

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files of a case into a folder that exists and has none of them.

        Raises:
            CaseError: the case cannot be written as it is.
            OutputError: the files cannot be written.
        """


@runtime_checkable
class ChoosyOutput(CaseOutput, Protocol):
    """An output that not every case can have."""

    def check(self, case: CaseRecord) -> None:
        """Refuse a case as soon as it is read, before anything is computed.

        Raises:
            CaseError: the case cannot have this output.
        """


@dataclass(frozen=True)
class CaseOutputs:
    """The outputs of a run.

    Attributes:
        written: in this order; the last one writes the JSON, which says that the case is complete.
        off: those that this run does not write, but an earlier one may have written.
    """

    written: tuple[CaseOutput, ...]
    off: tuple[CaseOutput, ...] = ()

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files that are written for a case."""
        return tuple(name for output in self.written for name in output.names(case))

    def check(self, case: CaseRecord) -> None:
        """Refuse a case that cannot have all of the outputs.

        Raises:
            CaseError: an output says why.
        """
        for output in self.written:
            if isinstance(output, ChoosyOutput):
                output.check(case)

    def possible_names(self, case_id: str) -> frozenset[str]:
        """Name all files that a run may write or remove."""
        outputs = (*self.written, *self.off)
        return frozenset(name for output in outputs for name in output.possible_names(case_id))
