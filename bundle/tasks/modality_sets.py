"""What tasks of all kinds know about their modalities: names, order, sets."""

from abc import ABC
from collections.abc import Iterable
from functools import cached_property
from itertools import combinations

from bundle.tasks.parts import Modality


class ModalitySets(ABC):
    """A task's modalities, in the order of the network's, and the sets that they form.

    Attributes:
        modalities: of which any may be missing.
    """

    modalities: tuple[Modality, ...]

    @cached_property
    def modality_names(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the image's channels."""
        return tuple(modality.name for modality in self.modalities)

    @property
    def n_modalities(self) -> int:
        """M in shapes."""
        return len(self.modalities)

    def modality(self, name: str) -> Modality:
        """Return the modality of a name."""
        return self.modalities[self.modality_names.index(name)]

    def canonical_modality(self, name: str) -> str:
        """Map a name in common use (``T1ce``, ``FLAIR``) to the modality's own.

        Raises:
            ValueError: the name is not known.
        """
        key = name.strip().lower().replace("-", "").replace("_", "")
        if key not in self._canonical:
            known = ", ".join(sorted(self._canonical))
            raise ValueError(f"modality must be one of {known}; got {name!r}.")
        return self._canonical[key]

    def parse_modalities(self, text: str) -> tuple[str, ...]:
        """Read a list such as ``t1ce,flair`` into names of modalities, in their order.

        Raises:
            ValueError: a name is not known.
        """
        chosen = {self.canonical_modality(name) for name in text.split(",")}
        return self.in_order(chosen)

    def in_order(self, chosen: Iterable[str]) -> tuple[str, ...]:
        """Return those of the modalities that are among some names, in their order."""
        names = set(chosen)
        return tuple(name for name in self.modality_names if name in names)

    def modality_sets(self) -> tuple[tuple[str, ...], ...]:
        """List the non-empty modality sets, small ones first, each in the modalities' order."""
        names = self.modality_names
        sizes = range(1, len(names) + 1)
        return tuple(chosen for size in sizes for chosen in combinations(names, size))

    def presence_flags(self, present: Iterable[str]) -> tuple[bool, ...]:
        """Return one flag per modality, True where its name is among ``present``."""
        chosen = set(present)
        return tuple(name in chosen for name in self.modality_names)

    def single_sets(self, modalities: Iterable[str] | None = None) -> list[list[bool]]:
        """List the presence flags of the sets with one modality, for some of them or all."""
        names = self.modality_names if modalities is None else self.in_order(modalities)
        return [list(self.presence_flags([name])) for name in names]

    def all_sets(self) -> list[list[bool]]:
        """List the presence flags of all non-empty sets, as ``modality_sets`` orders them."""
        return [list(self.presence_flags(chosen)) for chosen in self.modality_sets()]

    @cached_property
    def _canonical(self) -> dict[str, str]:
        return {alias: m.name for m in self.modalities for alias in (m.name, *m.aliases)}
