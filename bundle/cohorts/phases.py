"""Takes the work for a case apart, so that its ends can go on beside another case's middle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Facts = dict[str, Any]
Rest = Callable[[], Facts]
"""What is left to do for a case that was computed: writes it and returns its plain JSON facts."""


@runtime_checkable
class PhasedRun(Protocol):
    """Does the work for a case in three parts: ``run.compute(run.read(case))()``.

    Each raises what goes wrong with the case. The first and the last may be called in a thread
    beside that of the second, of another case; they are never called at once.
    """

    def read(self, case: Mapping[str, Any]) -> Any:
        """Read and prepare a case; what comes of it is for ``compute`` alone."""

    def compute(self, read: Any) -> Rest:
        """Run the network. What must not be replaced is refused before."""


@dataclass(frozen=True)
class InPhases:
    """Work that is done at once as the second of three parts, the others empty.

    Attributes:
        run_case: does the work for a case.
    """

    run_case: Callable[[Any], Facts]

    def read(self, case: Mapping[str, Any]) -> Any:
        """Return the case."""
        return case

    def compute(self, read: Any) -> Rest:
        """Do it all."""
        facts = self.run_case(read)
        return lambda: facts


def in_phases(run_case: Callable[[Any], Facts] | PhasedRun) -> PhasedRun:
    """Return the parts of some work, if it has any."""
    return run_case if isinstance(run_case, PhasedRun) else InPhases(run_case)
