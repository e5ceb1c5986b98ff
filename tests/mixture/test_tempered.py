import math

import torch
from torch import nn

from bundle.mixture.tempered import Tempered


def test_an_expert_starts_with_what_it_says():
    expert, values = nn.Linear(5, 3), torch.randn(2, 5)
    assert torch.equal(Tempered(expert)(values), expert(values))


def test_its_logits_are_multiplied_by_a_positive_number_whatever_is_learned():
    tempered, values = Tempered(nn.Linear(5, 3)), torch.randn(2, 5)
    for log_scale in (-3.0, 2.0):
        nn.init.constant_(tempered.log_scale, log_scale)
        expected = tempered.expert(values) * math.exp(log_scale)
        assert torch.allclose(tempered(values), expected)


def test_an_expert_that_is_too_sure_learns_to_be_less_so():
    """Right in three of four cases, sure of all."""
    tempered, target = Tempered(nn.Identity()), torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([[8.0, 0.0]]).expand(4, -1)
    optimizer = torch.optim.Adam(tempered.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(tempered(logits), target).backward()
        optimizer.step()
    probability = tempered(logits).softmax(dim=1)[0, 0].item()
    assert math.isclose(probability, 0.75, abs_tol=0.01)
