"""Builds a part of the network once for every modality."""

from collections.abc import Callable, Sequence

from torch import nn

from bundle.errors import SetupError


def one_for_all(build: Callable[[], nn.Module], names: Sequence[str]) -> dict[str, nn.Module]:
    """Build one part that all modalities share: what it learns of one, it learns for all.

    Weights of such a network have the names of one with a part for each modality, all of them the
    same, from which such a network can start.

    Args:
        build: as ``one_each``.
        names: of the modalities.
    """
    part = build()
    return dict.fromkeys(names, part)


def one_each(build: Callable[[], nn.Module], names: Sequence[str]) -> dict[str, nn.Module]:
    """Build a part for each modality, in their order, none of which shares weights with another.

    Args:
        build: makes one; in a config a component with ``_mode_: callable``.
        names: of the modalities.

    Raises:
        SetupError: E_SETTING, ``build`` is a part that was built already.
    """
    if isinstance(build, nn.Module):
        raise SetupError(
            "E_SETTING",
            "A part that every modality has must be built once for each, with _mode_: callable"
            f" beside its _target_; got one {type(build).__name__}. Add that.",
        )
    return {name: build() for name in names}
