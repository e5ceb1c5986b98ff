import pytest
import torch
from torch import nn

from bundle.training.schedules import WarmupPolynomialSchedule


def rates(n_steps: int, warmup_steps: int, t_total: int, power: float = 0.9) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = WarmupPolynomialSchedule(optimizer, warmup_steps, t_total, power)
    found = []
    for _ in range(n_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_rises_in_a_straight_line_and_falls_to_0():
    assert rates(8, warmup_steps=3, t_total=7, power=1.0) == pytest.approx(
        [0.5, 1.0, 1.5, 2.0, 1.5, 1.0, 0.5, 0.0]
    )


def test_without_warm_up_it_is_the_polynomial_decay():
    assert rates(5, warmup_steps=0, t_total=4) == pytest.approx(
        [2 * (1 - k / 4) ** 0.9 for k in range(5)]
    )


def test_it_stays_at_0_after_its_end():
    assert rates(6, warmup_steps=1, t_total=3)[-2:] == [0.0, 0.0]


def test_a_warm_up_longer_than_the_training_never_reaches_the_peak():
    assert max(rates(4, warmup_steps=10, t_total=4)) < 2.0


def test_no_step_has_a_rate_of_0_before_the_end():
    assert min(rates(50, warmup_steps=5, t_total=50)) > 0


def test_a_schedule_that_is_stored_and_loaded_goes_on():
    def build() -> tuple[torch.optim.Optimizer, WarmupPolynomialSchedule]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
        return optimizer, WarmupPolynomialSchedule(optimizer, 2, 10)

    optimizer, schedule = build()
    for _ in range(4):
        optimizer.step()
        schedule.step()
    later_optimizer, later = build()
    later_optimizer.load_state_dict(optimizer.state_dict())
    later.load_state_dict(schedule.state_dict())
    for each_optimizer, each in ((optimizer, schedule), (later_optimizer, later)):
        each_optimizer.step()
        each.step()
    assert later_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
