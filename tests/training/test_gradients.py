import logging

import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import nn

from bundle.training.gradients import GradientClip

MAX_NORM = 2.0


@pytest.fixture
def parts() -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(3, 2, bias=False) for _ in range(3))


def run_step(
    parts: nn.ModuleList, gradients: list[torch.Tensor | None], clip: GradientClip
) -> None:
    """Let a trainer do one AdamW step with chosen gradients."""
    optimizer = torch.optim.AdamW(parts.parameters(), lr=0.1, weight_decay=0.1)

    def step(engine: Engine, _batch: None) -> None:
        for part, gradient in zip(parts, gradients, strict=True):
            part.weight.grad = None if gradient is None else gradient.clone()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        optimizer.step()

    engine = Engine(step)
    engine.register_events(*IterationEvents)
    clip.attach(engine)
    engine.run([None])


def test_each_part_is_clipped_by_its_own_norm(parts):
    """Gradients of norm 1, 2 x 10 and 2 x 1000: the first stays, the others get norm 2 and keep
    their direction.
    """
    direction = torch.randn(2, 3)
    direction /= direction.norm()
    run_step(parts, [direction, direction * 20, direction * 2000], GradientClip(parts, MAX_NORM))
    for part, norm in zip(parts, (1.0, MAX_NORM, MAX_NORM), strict=True):
        assert torch.allclose(part.weight.grad, direction * norm, rtol=1e-4)


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_a_part_with_a_gradient_that_is_not_finite_skips_the_step_and_the_others_do_not(
    parts, poison, caplog
):
    bad = torch.ones(2, 3)
    bad[1, 2] = poison
    before = [part.weight.detach().clone() for part in parts]
    clip = GradientClip(parts, MAX_NORM)
    with caplog.at_level(logging.WARNING, logger="simmlm"):
        run_step(parts, [torch.ones(2, 3), bad, torch.ones(2, 3)], clip)
    moved = [not torch.equal(part.weight, old) for part, old in zip(parts, before, strict=True)]
    assert moved == [True, False, True]
    assert all(part.weight.isfinite().all() for part in parts)
    assert clip.n_skipped == 1
    assert [record.getMessage() for record in caplog.records] == [
        "A gradient was not finite in step 1; skipped (1)"
    ]


def test_a_part_without_a_gradient_stays_as_it_is(parts, caplog):
    before = parts[0].weight.detach().clone()
    clip = GradientClip(parts, MAX_NORM)
    run_step(parts, [None, torch.ones(2, 3), torch.ones(2, 3)], clip)
    assert torch.equal(parts[0].weight, before)
    assert clip.n_skipped == 0
    assert caplog.records == []


def test_the_parts_of_a_module_mapping_can_be_walked_every_step(parts):
    """``network.experts.values()`` may be an iterator that is spent after one walk."""
    clip = GradientClip(iter(parts), MAX_NORM)
    for _ in range(2):
        run_step(parts, [torch.ones(2, 3) * 50] * 3, clip)
        assert all(part.weight.grad.norm() == pytest.approx(MAX_NORM, rel=1e-4) for part in parts)
