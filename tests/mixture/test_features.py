import torch
from torch import nn

from bundle.mixture.features import each_without_output, without_output


class Expert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.output_block = nn.Linear(4, 2)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.output_block(self.body(values))


def test_features_are_what_the_output_layer_makes_logits_of():
    expert, values = Expert(), torch.rand(5, 3)
    features = without_output(expert)
    assert torch.equal(expert.output_block(features(values)), expert(values))


def test_the_expert_itself_keeps_its_output_layer_and_the_copy_the_other_names():
    expert = Expert()
    copied = each_without_output({"one": expert})["one"]
    assert isinstance(expert.output_block, nn.Linear)
    assert set(copied.state_dict()) == {"body.weight", "body.bias"}
    assert copied.body.weight is not expert.body.weight
