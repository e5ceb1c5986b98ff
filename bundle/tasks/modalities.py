"""The modalities of the default task, for code that knows no other."""

from collections.abc import Iterable

from bundle.tasks.default import DEFAULT_TASK

MODALITIES = DEFAULT_TASK.modality_names
canonical_modality = DEFAULT_TASK.canonical_modality
parse_modalities = DEFAULT_TASK.parse_modalities
modality_sets = DEFAULT_TASK.modality_sets
presence_flags = DEFAULT_TASK.presence_flags


def modality_names(modality: str) -> tuple[str, ...]:
    """Return all lower-case names under which files of a modality are found."""
    return DEFAULT_TASK.modality(modality).aliases


def single_sets(modalities: Iterable[str] = MODALITIES) -> list[list[bool]]:
    """List the presence flags of the sets with one modality, for some of them or all."""
    return DEFAULT_TASK.single_sets(modalities)


def all_sets() -> list[list[bool]]:
    """List the presence flags of all non-empty sets, as ``modality_sets`` orders them."""
    return DEFAULT_TASK.all_sets()
