"""docs/tasks.md explains every key that a task's file may have, and its examples are true."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

import bundle
from bundle.phantoms.ageing import Ageing
from bundle.phantoms.dicom_plan import DrawnSeries, HeadLayer, StudyPlan
from bundle.phantoms.masses import Masses
from bundle.phantoms.ovoids import PLACES, Ovoids
from bundle.phantoms.plan import Naming, PhantomPlan
from bundle.tasks.numberings import Collection, Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.series_rules import SeriesKind, Timing
from bundle.tasks.task import Task
from bundle.tasks.task_file import FOLDER, load_task, task_names

PAGE = (Path(bundle.__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
CLASSES = (Task, Modality, Label, Region, Numbering, Collection, SeriesKind, Timing)
PHANTOM_CLASSES = (PhantomPlan, Naming, Ovoids, Masses, Ageing, StudyPlan, HeadLayer, DrawnSeries)


@pytest.mark.parametrize("kind", CLASSES + PHANTOM_CLASSES, ids=lambda kind: kind.__name__)
def test_every_key_of_a_task_is_explained(kind):
    names = {field.name for field in fields(kind)}
    assert {name for name in names if not re.search(rf"\b{name}\b", PAGE)} == set()


@pytest.mark.parametrize("word", PLACES)
def test_every_place_of_lesions_is_explained(word):
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("name", task_names())
def test_every_task_is_listed_with_its_modalities_and_regions(name):
    task = load_task(name)
    modalities, regions = ", ".join(task.modality_names), ", ".join(task.region_names)
    assert f"| [{name}](../configs/tasks/{name}.yaml) | {modalities} | {regions} |" in PAGE


def within(part, whole):
    """Whether a declaration holds everything that an excerpt of it says."""
    if isinstance(part, dict):
        return all(key in whole and within(part[key], whole[key]) for key in part)
    if isinstance(part, list) and any(isinstance(entry, dict) for entry in part):
        return all(within(entry, other) for entry, other in zip(part, whole, strict=False))
    if isinstance(part, list) and all(isinstance(entry, str) for entry in part):
        return set(part) <= set(whole)
    return part == whole or (isinstance(part, str) and part in whole)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_are_excerpts_of_the_file_of_ms_lesions(number):
    whole = yaml.safe_load((FOLDER / "ms_lesions.yaml").read_text(encoding="utf-8"))
    assert within(EXAMPLES[number], whole)
