"""What pictures and viewers take from a task."""

from dataclasses import replace

import numpy as np
import pytest

from bundle.errors import SetupError
from bundle.tasks.default import DEFAULT_TASK

IMAGE = np.array([np.nan, -5.0, 0.0, 0.5, 100.0])


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("zero", [False, True, False, True, True]),
        (0.5, [False, False, False, True, True]),
        (None, [False, True, True, True, True]),
    ],
    ids=str,
)
def test_what_is_inside_follows_from_what_the_task_calls_outside(outside, inside):
    assert replace(DEFAULT_TASK, outside=outside).is_inside(IMAGE).tolist() == inside


def test_outlines_are_drawn_in_the_declared_order_and_else_in_that_of_the_values():
    assert list(DEFAULT_TASK.label_colours) == [2, 3, 1]
    assert list(replace(DEFAULT_TASK, outlined_first=()).label_colours) == [1, 2, 3]


@pytest.mark.parametrize("order", [(1, 2), (1, 2, 2), (1, 2, 3, 4)], ids=str)
def test_an_order_of_outlines_names_every_label_once(order):
    with pytest.raises(SetupError, match="outlined_first must name the value of every label once"):
        replace(DEFAULT_TASK, outlined_first=order)
