"""The MRI modalities, their order, and the names by which people call them."""

from collections.abc import Iterable
from itertools import combinations

MODALITIES = ("t1n", "t1c", "t2w", "t2f")
"""Channel order of every image in this project: T1, T1 with contrast agent, T2, T2-FLAIR."""

_ALIASES = {
    "t1n": ("t1n", "t1", "t1w"),
    "t1c": ("t1c", "t1ce", "t1gd", "t1post"),
    "t2w": ("t2w", "t2"),
    "t2f": ("t2f", "flair", "fla", "t2flair"),
}
_CANONICAL = {alias: modality for modality, aliases in _ALIASES.items() for alias in aliases}


def canonical_modality(name: str) -> str:
    """Map a name in common use (``T1ce``, ``FLAIR``) to its entry in ``MODALITIES``.

    Raises:
        ValueError: the name is not known.
    """
    key = name.strip().lower().replace("-", "").replace("_", "")
    if key not in _CANONICAL:
        raise ValueError(f"modality must be one of {', '.join(sorted(_CANONICAL))}; got {name!r}.")
    return _CANONICAL[key]


def parse_modalities(text: str) -> tuple[str, ...]:
    """Read a list such as ``t1ce,flair`` into entries of ``MODALITIES``, in their order.

    Raises:
        ValueError: a name is not known.
    """
    chosen = {canonical_modality(name) for name in text.split(",")}
    return tuple(modality for modality in MODALITIES if modality in chosen)


def modality_names(modality: str) -> tuple[str, ...]:
    """Return all lower-case names under which files of a modality are found."""
    return _ALIASES[modality]


def modality_sets() -> tuple[tuple[str, ...], ...]:
    """List the non-empty modality sets, small ones first, each in ``MODALITIES`` order."""
    return tuple(
        chosen
        for size in range(1, len(MODALITIES) + 1)
        for chosen in combinations(MODALITIES, size)
    )


def presence_flags(present: Iterable[str]) -> tuple[bool, ...]:
    """Return one flag per entry of ``MODALITIES``, True where it is among ``present``."""
    chosen = set(present)
    return tuple(modality in chosen for modality in MODALITIES)


def single_sets(modalities: Iterable[str] = MODALITIES) -> list[list[bool]]:
    """List the presence flags of the sets with one modality, for some of them or all."""
    chosen = set(modalities)
    return [list(presence_flags([modality])) for modality in MODALITIES if modality in chosen]


def all_sets() -> list[list[bool]]:
    """List the presence flags of all non-empty sets, as ``modality_sets`` orders them."""
    return [list(presence_flags(chosen)) for chosen in modality_sets()]
