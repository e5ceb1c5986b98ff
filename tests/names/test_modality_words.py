"""What names say where the modalities are those of another task."""

from pathlib import Path

import pytest

from bundle.names.file_names import resolved_names
from bundle.names.image_names import read_name
from bundle.names.modality_words import modality_words
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task
from tests.tasks.own_task import declared

ONE_T1 = """
name: plaques
title: Plaques
finding: plaque
modalities:
  fl: {title: FLAIR, words: [flair], over: t2}
  t1: {title: T1, words: [mprage], family: t1, agent: AGENT}
  t2: {title: T2, words: [t2]}
families: {t1: [t1, T1w]}
labels: {1: {name: plaque, colour: "#ff5a1f"}}
regions: {P: {title: plaque, labels: [1], colour: "#009e73"}}
numberings: {plain: {values: {1: 1}}}
"""


@pytest.fixture(params=["false", "null"])
def one_t1(request, tmp_path) -> Task:
    return with_t1(tmp_path, request.param)


def with_t1(folder: Path, agent: str) -> Task:
    file = folder / "plaques.yaml"
    file.write_text(ONE_T1.replace("AGENT", agent), encoding="utf-8")
    return load_task(file)


def kind(name: str, task: Task) -> str | None:
    return read_name(f"{name}.nii.gz", task).kind


@pytest.mark.parametrize("name", ["P_T1", "P_t1w", "P_mprage", "T1_mprage", "sub-01_T1w", "T1_pre"])
def test_the_one_t1_of_a_task_is_found_by_all_of_its_words(one_t1, name):
    assert kind(name, one_t1) == "t1"


@pytest.mark.parametrize("name", ["P_T1_post", "t1ce", "gd_mprage", "sub-01_ce-gd_T1w"])
def test_a_t1_after_contrast_agent_is_none_of_a_task_that_has_only_the_native_one(tmp_path, name):
    assert kind(name, with_t1(tmp_path, "false")) is None
    assert kind(name, with_t1(tmp_path, "null")) == "t1"


def test_a_t1_that_names_no_agent_is_none_of_a_task_that_has_only_the_one_after_it(tmp_path):
    task = with_t1(tmp_path, "true")
    assert [kind(name, task) for name in ("P_T1", "P_T1_post", "P_mprage")] == [None, "t1", "t1"]


def test_a_modality_over_another_takes_the_meaning_of_its_word(one_t1):
    assert kind("P_t2_flair", one_t1) == "fl"
    assert kind("P_t2", one_t1) == "t2"


def test_a_word_of_a_modality_means_it_even_if_it_is_an_odd_scan_elsewhere(tmp_path):
    task = declared(tmp_path)
    assert kind("P_dwi", task) == "dwi"
    assert kind("P_dwi", DEFAULT_TASK) is None


def test_a_modality_without_words_is_found_by_its_name_and_aliases_and_one_with_them_is_not(
    tmp_path,
):
    task = declared(tmp_path)
    names = ("P_pd", "P_diff", "P_diffusion")
    assert [kind(name, task) for name in names] == ["pd", "dwi", None]


def test_modalities_of_the_default_task_mean_nothing_in_another(tmp_path):
    task = declared(tmp_path)
    files = [Path(f"P_{name}.nii") for name in DEFAULT_TASK.modality_names]
    assert {name.kind for name in resolved_names(files, task).values()} == {None}


def test_words_are_made_ready_once_for_a_task(tmp_path):
    task = declared(tmp_path)
    assert modality_words(task) is modality_words(task)
    assert modality_words(task) is not modality_words(declared(tmp_path))
