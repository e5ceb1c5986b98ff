import pytest

from bundle.evaluation.task_names import GIVEN, TaskNames, set_members
from bundle.tasks.default import DEFAULT_TASK
from tests.evaluation.sample_scores import LUNG, MODALITIES, NAMES


def test_a_set_is_named_in_the_order_of_the_modalities_whatever_order_it_is_given_in():
    assert NAMES.set_name(["t2f", "t1c"]) == "t1c+t2f"
    assert NAMES.set_name(reversed(MODALITIES)) == "t1n+t1c+t2w+t2f"


@pytest.mark.parametrize("chosen", DEFAULT_TASK.modality_sets(), ids="+".join)
def test_a_set_has_the_members_it_was_named_by(chosen):
    assert set_members(NAMES.set_name(chosen)) == chosen


def test_nothing_is_known_of_the_members_of_given():
    assert set_members(GIVEN) == ()
    assert NAMES.set_title(GIVEN) == GIVEN


@pytest.mark.parametrize("task", [DEFAULT_TASK, LUNG], ids=lambda task: task.name)
def test_all_sets_are_those_of_the_task_in_its_order_and_given(task):
    names = TaskNames.of(task)
    assert names.all_sets == (*map(names.set_name, task.modality_sets()), GIVEN)


def test_readers_see_titles():
    assert NAMES.set_title("t1c+t2f") == "T1ce+FLAIR"
    assert TaskNames.of(LUNG).set_title("ct+adc") == "CT+ADC"


def test_names_come_back_from_json_in_their_order():
    for names in (NAMES, TaskNames.of(LUNG)):
        found = TaskNames.from_json(names.to_json())
        assert found == names
        assert found.all_sets == names.all_sets
