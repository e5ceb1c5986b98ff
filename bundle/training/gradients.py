"""Keeps a step from going wrong when gradients explode."""

import logging
from collections.abc import Iterable

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import nn
from torch.nn.utils import clip_grad_norm_

LOGGER = logging.getLogger("simmlm")


class GradientClip:
    """Clip the gradient of each part on its own; a part with a non-finite gradient skips the step.

    Each on its own, because one norm over all experts would let one expert's gradient change
    another's step.

    Args:
        parts: modules that are clipped independently, for example the experts and the gate.
        max_norm: largest Euclidean norm of a part's gradient.
    """

    def __init__(self, parts: Iterable[nn.Module], max_norm: float) -> None:
        self.parts = tuple(parts)
        self.max_norm = max_norm
        self.n_skipped = 0

    def attach(self, engine: Engine) -> None:
        """Act between the backward pass and the optimizer's step."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._clip)

    def _clip(self, engine: Engine) -> None:
        norms = [clip_grad_norm_(part.parameters(), self.max_norm) for part in self.parts]
        device = next(self.parts[0].parameters()).device
        finite = torch.stack(
            [norm.to(device) for norm in norms]
        ).isfinite()  # one wait for the GPU, not one per part
        for part, is_finite in zip(self.parts, finite.tolist(), strict=True):
            if not is_finite:
                part.zero_grad(set_to_none=True)
                self.n_skipped += 1
                LOGGER.warning(
                    "A gradient was not finite in step %d; skipped (%d)",
                    engine.state.iteration,
                    self.n_skipped,
                )
