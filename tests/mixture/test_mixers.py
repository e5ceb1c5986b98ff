import math

import pytest
import torch

from bundle.mixture.mixers import LogitMixer, ProbabilityMixer, StaticMixer
from bundle.tasks.default import DEFAULT_TASK

SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
MIXERS = pytest.mark.parametrize(
    "mixer", [LogitMixer(), ProbabilityMixer(), StaticMixer()], ids=lambda m: type(m).__name__
)


@SETS
@MIXERS
def test_absent_expert_cannot_change_the_prediction(mixer, flags):
    """Whatever the expert of an absent modality says, even NaN, is ignored."""
    presence, logits, scores = (
        torch.tensor([flags]),
        torch.randn(1, 4, 3, 2, 3, 4),
        torch.randn(1, 4, 3),
    )
    wild = torch.where(presence[:, :, None, None, None, None], logits, math.nan)
    wild_scores = torch.where(presence[:, :, None], scores, 1e9)
    for clean, dirty in zip(
        mixer(logits, scores, presence), mixer(wild, wild_scores, presence), strict=True
    ):
        assert torch.equal(clean, dirty)


@MIXERS
def test_one_modality_alone_is_its_own_prediction(mixer):
    presence, logits = torch.tensor([[False, True, False, False]]), torch.randn(1, 4, 3, 2, 3, 4)
    mixed, weights = mixer(logits, torch.randn(1, 4, 3), presence)
    assert torch.allclose(mixed, logits[:, 1], atol=1e-4)
    assert weights[0, :, 0].tolist() == [0, 1, 0, 0]


def test_probabilities_are_averaged_where_that_is_asked_for():
    logits = torch.logit(torch.tensor([0.9, 0.5, 0.2, 0.2])).reshape(1, 4, 1, 1, 1, 1)
    presence = torch.tensor([[True, True, False, False]])
    mixed, _ = ProbabilityMixer()(logits, torch.zeros(1, 4, 1), presence)
    assert torch.sigmoid(mixed).item() == pytest.approx(0.7)
