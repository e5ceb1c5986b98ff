"""What a user may choose about how exams are prepared."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PrepareOptions:
    """The choices, the same for all exams of a run.

    Attributes:
        reference: modality to whose scan the others are brought; None for the finest one.
        leave_out_failed: go on without a modality that could not be registered.
        brain_mask: mask of the brain, on the grid of one of the scans; None for none.
        brain_weights: weights of the network that cuts the brain out; None for those of the extra
            ``skull``.
        series_table: completed ``series.csv`` of a DICOM study; None for none.
    """

    reference: str | None = None
    leave_out_failed: bool = False
    brain_mask: Path | None = None
    brain_weights: Path | None = None
    series_table: Path | None = None
