import math

import torch

from bundle.classification.class_loss import ClassLoss


def test_even_odds_cost_the_logarithm_of_the_number_of_classes_per_case():
    loss = ClassLoss()(torch.zeros(2, 5), torch.tensor([0.0, 4.0]))
    assert torch.allclose(loss, torch.full((2,), math.log(5)))


def test_a_sure_right_class_costs_nothing_and_a_sure_wrong_one_its_distance():
    logits = torch.tensor([[40.0, 0.0], [40.0, 0.0]])
    assert torch.allclose(ClassLoss()(logits, torch.tensor([0, 1])), torch.tensor([0.0, 40.0]))
