import pytest

from bundle.errors import SetupError
from bundle.tasks.class_task import ClassTask, class_task_names, load_class_task
from bundle.tasks.parts import Modality


@pytest.mark.parametrize("name", class_task_names())
def test_every_declared_task_is_read_under_the_name_of_its_folder(name):
    task = load_class_task(name)
    assert task.name == name
    assert len(task.modality_names) == 2
    assert len(task.all_sets()) == 3


def test_other_names_of_a_modality_are_known():
    assert load_class_task("avmnist").canonical_modality("sound") == "audio"


@pytest.mark.parametrize("name", ["", "avmnis", "../avmnist", "brain_tumours"])
def test_a_name_without_a_task_lists_those_that_are_there(name):
    with pytest.raises(SetupError, match="must be one of avmnist") as caught:
        load_class_task(name)
    assert caught.value.code == "E_TASK"


def modality(name: str, *aliases: str) -> Modality:
    return Modality(name, name.title(), aliases)


@pytest.mark.parametrize(
    ("modalities", "classes"),
    [
        ((), ("a", "b")),
        ((modality("image"), modality("image")), ("a", "b")),
        ((modality("image", "audio"), modality("audio")), ("a", "b")),
        ((modality("Image one"),), ("a", "b")),
        ((modality("image"),), ("a", "a")),
        ((modality("image"),), ("a",)),
    ],
)
def test_a_task_whose_parts_do_not_fit_is_refused(modalities, classes):
    with pytest.raises(SetupError, match="The task digits must have"):
        ClassTask("digits", "Digits", modalities, classes)
