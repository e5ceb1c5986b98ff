"""The declaration of a task is read whole, or refused with what is wrong."""

import json
from pathlib import Path

import pytest
import yaml

from bundle.errors import SetupError
from bundle.tasks.task_file import FOLDER, load_task, task_names

MINIMAL = {
    "name": "mine",
    "title": "Mine",
    "finding": "lesion",
    "modalities": {"ct": {"title": "CT", "aliases": ["cat"]}, "pet": {"title": "PET"}},
    "labels": {1: {"name": "lesion", "colour": "#ffffff"}},
    "regions": {"all": {"title": "all", "labels": [1], "colour": "#ffffff"}},
    "numberings": {"plain": {"values": {1: 1}}},
}


@pytest.fixture
def write(tmp_path):
    def write(content, name="mine.yaml") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def test_the_bundle_declares_two_tasks_and_each_is_called_as_its_file():
    assert task_names() == ("brain_tumours", "ms_lesions")
    for name in task_names():
        assert load_task(name).name == name


def test_a_task_may_be_named_by_its_file_too():
    assert load_task(FOLDER / "ms_lesions.yaml").region_names == ("lesion",)
    assert load_task(str(FOLDER / "ms_lesions.yaml")).modality_names == ("flair", "t1", "t2")


def test_lesions_of_multiple_sclerosis_are_one_region_on_three_modalities():
    task = load_task("ms_lesions")
    assert task.label_names == {0: "background", 1: "lesion"}
    assert task.default_numbering.table == {0: 0, 1: 1}
    assert len(task.modality_sets()) == 7


def test_the_smallest_declaration_is_enough_and_the_rest_has_defaults(write):
    task = load_task(write(MINIMAL))
    assert task.shown_first == task.opened_first == ("ct", "pet")
    assert (task.outside, task.skull_stripped, task.anatomy) == ("zero", True, None)
    assert (task.collections, task.phantom) == ((), {})


def test_lists_become_tuples_that_nobody_changes(write):
    task = load_task(write({**MINIMAL, "anatomy": ["12738006", "Brain"]}))
    assert task.anatomy == ("12738006", "Brain")
    assert task.modality("ct").aliases == ("cat",)
    assert task.regions[0].labels == (1,)


def test_json_says_the_same_as_yaml_though_its_keys_are_text(write):
    content = {
        **MINIMAL,
        "numberings": {"plain": {"values": {1: 1}, "others": {2: "scar"}, "decathlon": {1: "l"}}},
        "doubtful": {"plain": {2: "a scar"}},
    }
    task = load_task(write(json.dumps(content), "mine.json"))
    same = load_task(write(content))
    assert task.label_names == same.label_names
    assert task.default_numbering.table == same.default_numbering.table == {0: 0, 1: 1, 2: 0}
    assert task.default_numbering.decathlon == same.default_numbering.decathlon == {1: "l"}
    assert task.doubtful == same.doubtful == {"plain": {2: "a scar"}}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"modality": {}}, r"must have no other keys than anatomy, .*; got \['modality'\]"),
        ({"modalities": None}, "modalities must map names to what they are; got None"),
        ({"modalities": ["ct"]}, "modalities must map names to what they are"),
        ({"modalities": {"ct": None}}, "must declare a task"),
        ({"modalities": {"ct": {}}}, "every entry of modalities must have its keys; got .*title"),
        (
            {"modalities": {"ct": {"title": "CT", "color": 1}}},
            "modalities must have its keys.*color",
        ),
        ({"modalities": {1: {"title": "CT"}}}, "must declare a task"),
        ({"labels": {}}, "labels must map values to what they are"),
        ({"labels": [1]}, "labels must map values to what they are"),
        (
            {"labels": {1: {"name": "lesion"}}},
            "every entry of labels must have its keys; got .*colour",
        ),
        ({"labels": {"one": {"name": "lesion", "colour": "#ffffff"}}}, "values 1, 2 and so on"),
        ({"regions": {}}, "regions must map names to what they are"),
        ({"regions": {"all": {"title": "all", "colour": "#ffffff"}}}, "regions must have its keys"),
        (
            {"regions": {"all": {"title": "all", "colour": "#ffffff", "labels": 1}}},
            "must declare a task",
        ),
        ({"numberings": "plain"}, "numberings must map names to what they are; got plain"),
        ({"numberings": {"plain": {}}}, "every entry of numberings must have its keys"),
        ({"numberings": {"plain": {"values": 1}}}, "must declare a task"),
        ({"collections": [{"name": "c"}]}, "every entry of collections must have its keys"),
        ({"collections": 3}, "must declare a task"),
        ({"shown_first": ["mr"]}, "shown_first must name every modality once"),
        ({"title": None}, "title must be text"),
        ({"finding": 3}, "finding must be text"),
        ({"name": "Mine!"}, "name must be"),
    ],
)
def test_a_declaration_that_says_something_else_is_refused(write, changed, words):
    with pytest.raises(SetupError, match=words) as caught:
        load_task(write({**MINIMAL, **changed}))
    assert caught.value.code == "E_TASK"
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("key", MINIMAL)
def test_a_key_that_is_needed_may_not_be_missing(write, key):
    with pytest.raises(SetupError) as caught:
        load_task(write({name: value for name, value in MINIMAL.items() if name != key}))
    assert caught.value.code == "E_TASK"
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "must hold the task's keys; got NoneType"),
        ("- a", "must hold the task's keys; got list"),
        ("a: [", "must be a readable YAML file"),
        ("a: !!python/object/apply:os.system [true]", "must be a readable YAML file"),
        ("a: " + "x" * 1_000_001, "must have at most 1000000 bytes; got 1000004"),
        ("[" * 100_000, "must be a readable YAML file"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(write, content, words):
    path = write(content)
    with pytest.raises(SetupError, match=words) as caught:
        load_task(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupError, match="must be a readable YAML file"):
        load_task(tmp_path / "mine.yaml")


@pytest.mark.parametrize("source", ["stroke", "", "../tasks/ms_lesions", "ms_lesions\x1b[2J"])
def test_a_name_that_no_task_has_is_refused_with_those_that_there_are(source):
    with pytest.raises(
        SetupError, match=r"one of brain_tumours, ms_lesions, .* docs/tasks\.md"
    ) as e:
        load_task(source)
    assert "\x1b" not in str(e.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"nowhere\.yaml must be a readable YAML file"):
        load_task(tmp_path / "nowhere.yaml")
