"""What passes between who runs an evaluator on a case and the handlers that write it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ignite.engine import Engine


@dataclass
class HandOver:
    """Lies in an evaluator's state where a case was read before the run, and is written after it.

    Attributes:
        read_s: seconds that reading and preparing the case took.
        writes: what handlers leave to be called after the run, in any thread, in this order.
    """

    read_s: float = 0.0
    writes: list[Callable[[], Any]] = field(default_factory=list)

    def attach(self, engine: Engine) -> None:
        """Take the place of the last case's."""
        engine.state.hand_over = self  # type: ignore[attr-defined]

    @staticmethod
    def of(engine: Engine) -> "HandOver | None":
        """Return what lies there; None where an evaluator reads by itself."""
        found: HandOver | None = getattr(engine.state, "hand_over", None)
        return found
