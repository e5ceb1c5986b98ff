"""How the learning rate changes from step to step."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupPolynomialSchedule(LambdaLR):
    """Linear warm-up, then a polynomial decay to 0; one step per training step.

    Args:
        optimizer: its learning rates are the peak.
        warmup_steps: steps until the peak is reached; the first step has ``1 / (warmup_steps + 1)``
            of it.
        t_total: all steps, warm-up included.
        power: 1 falls in a straight line; nnU-Net uses 0.9.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int, t_total: int, power: float = 0.9
    ) -> None:
        self.warmup_steps = min(max(warmup_steps, 0), t_total)
        self.t_total = t_total
        self.power = power
        super().__init__(optimizer, self.factor)

    def factor(self, step: int) -> float:
        """Return the share of the peak learning rate at a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        remaining = max(0, self.t_total - step) / max(1, self.t_total - self.warmup_steps)
        return float(remaining**self.power)
