"""Lets a list of handlers name one that other parts of a config use too."""

from typing import Protocol, TypeVar

from ignite.engine import Engine


class Handler(Protocol):
    """Something that follows an engine."""

    def attach(self, engine: Engine) -> None:
        """Follow an engine."""


Shared = TypeVar("Shared", bound=Handler)


def shared(handler: Shared) -> Shared:
    """Return a handler that is defined elsewhere in the config.

    ``"@averaged"`` would do for MONAI's parser, but ``check_properties`` and MONAI Label expect
    every entry of ``train#handlers`` to be a dictionary with a ``_target_``, and stop at text.
    """
    return handler
