from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bundle.inference.volume_interval import POSSIBLE, SURE, voxel_intervals
from bundle.tasks.default import DEFAULT_TASK
from tests.inference.test_maps import split
from tests.other_task import LESIONS

R = DEFAULT_TASK.n_regions
NAMES = [label.name for label in DEFAULT_TASK.labels]


def by_voxel(probabilities, task=DEFAULT_TASK):
    """The slow and obvious way: try all choices for the regions in doubt, voxel by voxel."""
    counts = {label.name: [0, 0] for label in task.labels}
    for voxel in probabilities.flatten(1).T.tolist():
        choices = [
            (True,) if p > SURE else (False, True) if p > POSSIBLE else (False,) for p in voxel
        ]
        found = {
            int(task.regions_to_labels(np.array(inside)[:, None])[0])
            for inside in product(*choices)
        }
        for label in task.labels:
            counts[label.name][0] += found == {label.value}
            counts[label.name][1] += label.value in found
    return {name: tuple(ends) for name, ends in counts.items()}


@pytest.mark.parametrize("task", [DEFAULT_TASK, LESIONS], ids=lambda task: task.name)
def test_counts_are_those_of_all_choices_tried_one_by_one(task):
    probabilities = torch.rand(task.n_regions, 5, 6, 7)
    assert voxel_intervals(probabilities, task) == by_voxel(probabilities, task)


def test_what_the_label_map_says_lies_between_whether_regions_are_nested_or_not():
    for _ in range(20):
        probabilities = torch.rand(R, 3, 4, 5) ** 2
        inside = (probabilities > 0.5).numpy()
        label = DEFAULT_TASK.regions_to_labels(inside)
        for one in DEFAULT_TASK.labels:
            low, high = voxel_intervals(probabilities, DEFAULT_TASK)[one.name]
            assert low <= int((label == one.value).sum()) <= high


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_without_doubt_both_ends_are_the_volume(sure):
    probabilities = torch.full((R, 2, 3, 4), sure)
    counts = voxel_intervals(probabilities, DEFAULT_TASK)
    assert all(low == high for low, high in counts.values())
    assert sum(low for low, _ in counts.values()) == 24 * sure


def test_a_region_in_doubt_leaves_open_which_of_two_labels_it_is():
    """Surely tumour, and perhaps its core: oedema and core share what is in doubt."""
    probabilities = torch.zeros(R, 1, 1, 10)
    probabilities[DEFAULT_TASK.region_names.index("WT")] = 0.9
    probabilities[DEFAULT_TASK.region_names.index("TC"), ..., :4] = 0.4
    counts = voxel_intervals(probabilities, DEFAULT_TASK)
    assert counts == {"necrotic core": (0, 4), "oedema": (6, 10), "enhancing tumour": (0, 0)}


def test_more_regions_than_a_byte_has_digits_for_are_counted():
    class Six:
        """Six labels, each a region of its own."""

        def __init__(self):
            self.n_regions, self.label_names = 6, dict(enumerate("_abcdef"))
            self.labels = [SimpleNamespace(value=v, name=n) for v, n in enumerate("abcdef", 1)]

        def regions_to_labels(self, regions):
            return np.where(regions.any(axis=0), regions.argmax(axis=0) + 1, 0).astype(np.uint8)

    probabilities = torch.zeros(6, 2, 2, 2)
    probabilities[5] = 0.9
    assert voxel_intervals(probabilities, Six())["f"] == (8, 8)


def test_the_result_has_an_interval_for_each_volume_in_ml_that_holds_it():
    probabilities = torch.rand(R, 5, 6, 7)
    result = split(probabilities)["result"]
    assert list(result["volume_intervals_ml"]) == list(result["volumes_ml"]) == NAMES
    for name, (low, high) in result["volume_intervals_ml"].items():
        assert low <= result["volumes_ml"][name] <= high
