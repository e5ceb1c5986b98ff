import pytest
import torch

from bundle.classification.image_text.encoders import (
    N_FEATURES,
    TextLayer,
    TokenMean,
    image_expert,
    text_expert,
)
from bundle.mixture.dmome import DMoME
from bundle.mixture.features import without_output
from bundle.mixture.mixers import LogitMixer

TEXT = torch.tensor([[3, 5, 0, 0], [0, 0, 0, 0], [7, 7, 7, 2]])
INPUTS = {"image": torch.randn(3, 3, 16, 20), "text": TEXT}


def experts() -> dict:
    return {"image": image_expert(5).eval(), "text": text_expert(5, n_buckets=8).eval()}


@pytest.mark.parametrize("name", ["image", "text"])
def test_an_expert_without_its_output_gives_features_and_takes_the_weights_of_the_whole(name):
    expert = experts()[name]
    assert expert(INPUTS[name]).shape == (3, 5)
    features = without_output(expert)
    assert features(INPUTS[name]).shape == (3, N_FEATURES)
    whole = {key for key in expert.state_dict() if not key.startswith("output_block.")}
    assert features.state_dict().keys() == whole
    assert expert.output_block(features(INPUTS[name])).equal(expert(INPUTS[name]))


@pytest.mark.parametrize("name", ["image", "text"])
def test_cases_do_not_influence_each_other(name):
    expert = experts()[name].train()
    alone = torch.cat([expert(case.unsqueeze(0)) for case in INPUTS[name]])
    assert torch.allclose(expert(INPUTS[name]), alone, atol=1e-5)


def test_the_mean_of_numbers_ignores_padding_and_that_of_none_is_zero():
    mean = TokenMean(8, 4)
    learned = mean.embedding.weight
    expected = [(learned[3] + learned[5]) / 2, torch.zeros(4), (3 * learned[7] + learned[2]) / 4]
    assert torch.allclose(mean(TEXT), torch.stack(expected))


def test_padding_learns_nothing():
    mean = TokenMean(8, 4)
    mean(TEXT).sum().backward()
    assert mean.embedding.weight.grad[0].eq(0).all()
    assert mean.embedding.weight.grad[3].ne(0).all()


def test_a_gate_reads_texts_by_as_many_features_as_pictures():
    assert TextLayer(8)(TEXT).shape == (3, 128)


def test_a_mixture_of_them_says_of_a_case_without_a_text_what_the_expert_of_pictures_says():
    class EqualGate(torch.nn.Module):
        def forward(self, inputs):
            return torch.zeros(3, 2, 1)

    network = DMoME(experts(), EqualGate(), LogitMixer()).eval()
    presence = torch.tensor([[True, True], [True, False], [False, True]])
    encoded = network.encode(INPUTS, presence)
    mixed = network.mix(encoded, INPUTS, presence).logits
    said = {name: expert(INPUTS[name]) for name, expert in network.experts.items()}
    assert torch.allclose(mixed[1], said["image"][1], atol=1e-5)
    assert torch.allclose(mixed[2], said["text"][2], atol=1e-5)
    assert torch.allclose(mixed[0], (said["image"][0] + said["text"][0]) / 2, atol=1e-5)
