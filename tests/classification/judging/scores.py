"""Scores of which everything is known on paper."""

import numpy as np

from bundle.classification.judging.class_scores import ClassScores, scores_of
from bundle.evaluation.task_names import TaskNames

NAMES = TaskNames("avmnist", {"image": "Image", "audio": "Sound"}, ())


def four_cases() -> ClassScores:
    """Return four cases of two classes, the third without a sound.

    | case | class | image says a | sound says a | both say a |
    | --- | --- | --- | --- | --- |
    | n0 | a | 0.9 | 0.6 | 0.8 |
    | n1 | b | 0.2 | 0.7 | 0.6 |
    | n2 | a | 0.4 | - | - |
    | n3 | b | 0.3 | 0.1 | 0.2 |
    """
    says_a = np.array([[0.9, 0.6, 0.8], [0.2, 0.7, 0.6], [0.4, np.nan, np.nan], [0.3, 0.1, 0.2]])
    weights = np.full((4, 3, 2), np.nan)
    weights[:, 0], weights[:, 1] = [1, 0], [0, 1]
    weights[:, 2] = [[0.7, 0.3], [0.5, 0.5], [0.5, 0.5], [0.6, 0.4]]
    weights[2, 1:] = np.nan
    return scores_of(
        {"case": ["n0", "n1", "n2", "n3"], "class": ["a", "b", "a", "b"]},
        np.stack([says_a, 1 - says_a], axis=2),
        weights,
        classes=("a", "b"),
        names=NAMES,
    )
