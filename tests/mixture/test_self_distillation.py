import math

import pytest
import torch

from bundle.mixture.mixture_losses import MoFeLoss
from bundle.mixture.self_distillation import SelfDistillation
from bundle.volume_networks.region_loss import DiceBCELoss

SHAPE = (2, 3, 5, 6, 7)


def test_the_smaller_set_is_pulled_towards_the_larger_and_not_the_other_way():
    more, fewer = (torch.randn(SHAPE, requires_grad=True) for _ in range(2))
    loss = SelfDistillation(lambda pred, target: torch.zeros(()), weight=2.0)
    loss((more, fewer), torch.zeros(SHAPE)).backward()
    assert more.grad is None
    expected = 2 * (fewer.sigmoid() - more.sigmoid()) / math.prod(SHAPE)
    torch.testing.assert_close(fewer.grad, expected.detach())


def test_it_is_added_to_the_loss_whose_parts_it_keeps():
    more, fewer = torch.randn(SHAPE), torch.randn(SHAPE)
    target = (torch.rand(SHAPE) < 0.3).float()
    pairs = MoFeLoss(DiceBCELoss())
    loss = SelfDistillation(pairs, weight=0.5)
    added = float(loss((more, fewer), target)) - float(pairs((more, fewer), target))
    assert added == pytest.approx(0.5 * float(loss.parts["taught"]), rel=1e-4)
    assert set(loss.parts) == {"more", "fewer", "hinge", "taught"}
