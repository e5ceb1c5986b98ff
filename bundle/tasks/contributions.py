"""Which maps tell what each modality contributed."""

from enum import StrEnum


class Contributions(StrEnum):
    """The setting ``contributions``.

    Attributes:
        none: no maps.
        shares: one map per modality, over all regions together.
        per_region: one per modality and region.
        signed: the same, negative where the modality spoke against the region.
    """

    none = "none"
    shares = "shares"
    per_region = "per_region"
    signed = "signed"

    @property
    def has_regions(self) -> bool:
        """Whether each region has maps of its own."""
        return self in (Contributions.per_region, Contributions.signed)
