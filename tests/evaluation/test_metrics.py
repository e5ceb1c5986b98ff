import math

import pytest

from bundle.evaluation.metrics import (
    CORRELATED,
    DICE,
    METRICS,
    PROBABILITY_METRICS,
    REGION_METRICS,
    Better,
    Metric,
    metric_named,
    weight_name,
)
from tests.evaluation.sample_scores import MODALITIES, NAMES

NAN = math.nan


def named(name: str) -> Metric:
    return metric_named(name, NAMES.titles)


def test_every_metric_is_there_once_and_is_measured_in_one_way():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert {*REGION_METRICS, *PROBABILITY_METRICS} == set(METRICS)
    assert not set(REGION_METRICS) & set(PROBABILITY_METRICS)


@pytest.mark.parametrize(
    ("better", "names"),
    [
        (Better.LOWER, {"hd95_mm", "ece", "sce"}),
        (Better.NEITHER, {"volume_error_ml", "truth_ml", "predicted_ml"}),
    ],
)
def test_errors_are_better_if_lower_and_volumes_in_neither_direction(better, names):
    assert {metric.name for metric in METRICS if metric.better == better} == names


def test_weights_are_better_in_neither_direction_and_need_no_truth():
    for modality in MODALITIES:
        metric = named(weight_name(modality))
        assert (metric.better, metric.needs_truth) == (Better.NEITHER, False)


def test_volumes_alone_of_the_metrics_mean_something_without_a_region_in_the_truth():
    free = {metric.name for metric in METRICS if not metric.needs_truth}
    assert free == {"volume_error_ml", "truth_ml", "predicted_ml"}
    assert named("new_metric").needs_truth
    assert not named("new_ml").needs_truth


def test_what_weights_are_correlated_with_is_bounded():
    assert [metric.name for metric in CORRELATED] == ["dice", "confidence"]
    with pytest.raises(ValueError, match="depth must be bounded"):
        Metric("depth", "depth", correlated="depth")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("weight_t2f", "weight of FLAIR"),
        ("weight_new", "weight_new"),
        ("new_metric", "new_metric"),
        ("dice", "Dice, %"),
        ("sce", "static calibration error, %"),
        ("entropy_auroc", "AUROC of the entropy for wrong voxels"),
    ],
)
def test_every_metric_has_a_title_with_its_unit(name, title):
    assert named(name).full_title == title


@pytest.mark.parametrize(
    ("metric", "value", "sign", "text"),
    [
        ("dice", 0.7125, "", "71.2"),
        ("dice", NAN, "", "–"),
        ("dice", -0.0004, "", "0.0"),
        ("dice", 0.0123, "+", "+1.2"),
        ("dice", -0.0123, "+", "-1.2"),
        ("dice", 0.0, "+", "0.0"),
        ("hd95_mm", 4.26, "", "4.3"),
        ("ece", 0.00312, "", "0.31"),
        ("sce", 0.1234567, "", "12.35"),
        ("confidence", 0.7125, "", "71.2"),
        ("volume_error_ml", 1.26, "", "+1.3"),
        ("new_metric", 0.25, "", "0.250"),
        ("new_ml", 0.25, "", "0.2"),
        ("entropy_auroc", 0.98765, "", "0.988"),
        ("weight_t1c", 0.25, "", "0.250"),
    ],
)
def test_values_are_rounded_in_their_units(metric, value, sign, text):
    assert named(metric).shown(value, sign) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ((0.712, 0.65, 0.771), "71.2 (65.0–77.1)"),
        ((0.012, -0.03, 0.05), "1.2 (-3.0 to 5.0)"),
        ((0.712, NAN, NAN), "71.2"),
        ((NAN, NAN, NAN), "–"),
    ],
)
def test_an_interval_stands_in_brackets_where_there_is_one(found, text):
    assert DICE.shown_interval(*found) == text
