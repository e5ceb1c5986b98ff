import pytest
import torch
from torch import nn

from bundle.classification.modality_gate import ModalityGate


def test_features_of_each_modality_become_one_score_each():
    extractors = {"image": nn.Flatten(), "audio": nn.Flatten()}
    gate = ModalityGate(extractors, 4 + 6)
    scores = gate({"image": torch.rand(5, 2, 2), "audio": torch.rand(5, 6)})
    assert scores.shape == (5, 2, 1)
    expected = gate.linear(torch.cat([torch.zeros(1, 4), torch.zeros(1, 6)], dim=1))
    alone = gate({"image": torch.zeros(1, 2, 2), "audio": torch.zeros(1, 6)})
    assert torch.equal(alone[..., 0], expected)


def test_the_order_of_the_scores_is_that_of_the_extractors_not_of_the_inputs():
    gate = ModalityGate({"a": nn.Flatten(), "b": nn.Flatten()}, 2)
    with torch.no_grad():
        gate.linear.weight.copy_(torch.eye(2))
        gate.linear.bias.zero_()
    scores = gate({"b": torch.tensor([[7.0]]), "a": torch.tensor([[3.0]])})
    assert scores.flatten().tolist() == [3, 7]


def test_a_modality_without_extractor_is_no_input():
    with pytest.raises(KeyError):
        ModalityGate({"a": nn.Flatten()}, 1)({"b": torch.zeros(1, 1)})
