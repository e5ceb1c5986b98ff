import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from bundle.classification.judging.class_metrics import (
    N_BINS,
    accuracy,
    calibration,
    calibration_error,
    counter_intuitive,
    mean_weights,
    negative_log_likelihood,
    weights_and_confidence,
)
from tests.classification.judging.scores import four_cases


def test_accuracy_and_likelihood_are_means_over_the_cases_that_have_the_set():
    scores = four_cases()
    assert accuracy(scores, "image", 0).mean == 0.75
    assert accuracy(scores, "audio", 0).mean == pytest.approx(2 / 3)
    assert accuracy(scores, "audio", 0).n == 3
    expected = -(math.log(0.6) + math.log(0.3) + math.log(0.9)) / 3
    assert negative_log_likelihood(scores, "audio", 0).mean == pytest.approx(expected)


def test_the_calibration_error_is_known_on_paper():
    """Both: bins of 0.8 (both right) and of 0.6 (wrong): (2 x 0.2 + 0.6) / 3."""
    assert calibration_error(four_cases(), "image+audio", 0).mean == pytest.approx(1 / 3)


@given(st.integers(0, 1000), st.integers(2, 60))
def test_the_calibration_error_equals_that_of_another_program(seed, n):
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.softmax(3 * torch.randn(n, 4, generator=generator), dim=1)
    truth = torch.randint(4, (n,), generator=generator)
    confidence, predicted = probabilities.max(dim=1)
    ours = calibration(
        confidence.double().numpy(), (predicted == truth).double().numpy(), np.ones((1, n))
    )
    theirs = multiclass_calibration_error(probabilities, truth, 4, n_bins=N_BINS, norm="l1")
    assert float(ours[0]) == pytest.approx(float(theirs), abs=1e-6)


def test_a_case_that_is_drawn_twice_counts_twice():
    confidence, correct = np.array([0.9, 0.5]), np.array([1.0, 0.0])
    error = calibration(confidence, correct, np.array([[1, 1], [2, 0], [0, 2]]))
    assert np.allclose(error, [0.3, 0.1, 0.5])


def test_more_modalities_make_a_right_class_wrong_in_one_pair_and_less_probable_in_three():
    """n1: the image is right, both are wrong, and less sure; n0 loses 0.1 of the image's
    confidence; n3 that of the sound. Pairs: 2 each of n0, n1, n3.
    """
    rates = counter_intuitive(four_cases(), 0)
    assert rates["right_to_wrong"].n_pairs == 6
    assert rates["right_to_wrong"].rate == pytest.approx(1 / 6)
    assert rates["confidence_falls"].rate == pytest.approx(3 / 6)


def test_mean_weights_leave_out_cases_that_lack_a_modality():
    weights = mean_weights(four_cases())
    assert weights["image"] == {"image": 1, "audio": 0}
    assert weights["image+audio"]["image"] == pytest.approx(0.6)


def test_weights_that_follow_the_confidence_correlate_with_it():
    scores = four_cases()
    scores.weights[:, 2, 0] = scores.probability[:, 0] / 2
    scores.weights[2, 2] = np.nan
    assert weights_and_confidence(scores, 0)["image"].r == pytest.approx(1)
    assert weights_and_confidence(scores, 0)["image"].n == 3
