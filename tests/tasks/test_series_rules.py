"""The rules for series in a task's file are read whole, or refused by what is wrong."""

import pytest

from bundle.tasks.series_rules import Timing, read_kinds
from bundle.tasks.task_file import load_task, task_names

KIND = {"title": "T2", "names": "t2"}


def test_rules_are_read_with_their_defaults():
    kind = read_kinds({"t2": {**KIND, "physics": [{"te": [60, 500], "sequence": ["SE"]}]}})["t2"]
    assert (kind.name, kind.scanner, kind.not_names) == ("t2", "MR", None)
    assert kind.physics == (Timing(te=(60, 500), sequence=("SE",)),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "T2"},
        {**KIND, "colour": "red"},
        {**KIND, "names": "("},
        {**KIND, "physics": [{"te": [5, 1]}]},
        {**KIND, "physics": [{"te": [5]}]},
        {**KIND, "physics": [{"tx": [1, 5]}]},
        {**KIND, "physics": [{"sequence": "SE"}]},
        {**KIND, "physics": [{"inversion": "yes"}]},
    ],
)
def test_what_says_nothing_is_refused(wrong):
    with pytest.raises((TypeError, ValueError)):
        read_kinds({"t2": wrong})


@pytest.mark.parametrize("name", task_names())
def test_every_modality_of_the_bundle_has_rules_of_its_own_or_of_its_family(name):
    task = load_task(name)
    ruled = {modality for kind in task.series for modality in task.of_kind(kind)}
    assert ruled == set(task.modality_names)
