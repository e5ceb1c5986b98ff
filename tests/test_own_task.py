"""A task that the project has never heard of is listed, loaded and labelled like its own."""

import json
import logging

import numpy as np
import pytest
import torch

from bundle.cases.case_facts import describe_case, summarise
from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.cases.label_map import read_label_map
from bundle.cases.preparation import CheckPreparedd
from bundle.datasets.case_files import case_files
from bundle.datasets.labelled_cases import divide_labelled, labelled_cases
from bundle.datasets.layouts import Layout
from bundle.datasets.listing import find_layout, list_cases
from bundle.datasets.nnunet import described_numbering
from bundle.errors import CaseError, UsageError
from bundle.names.file_names import find_images
from bundle.names.patterns import parse_patterns
from tests.datasets.sample_datasets import stripes, write_json, write_table
from tests.tasks.own_task import ONE_NUMBERING, declared
from tests.volumes.nifti_samples import save, scan


@pytest.fixture
def task(tmp_path):
    return declared(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """Two labelled cases; the second has one modality."""
    for number, modalities in enumerate((("pd", "dwi"), ("dwi",))):
        case = tmp_path / "cases" / f"c{number}"
        case.mkdir(parents=True)
        for index, modality in enumerate(modalities):
            save(case / f"c{number}-{modality}.nii.gz", data=scan(seed=10 * number + index))
        save(case / f"c{number}-seg.nii.gz", data=stripes(0, 1, 2))
    return tmp_path / "cases"


def test_case_folders_are_listed_and_loaded_with_their_regions(folder, task):
    cases = labelled_cases(folder, task=task)
    assert [tuple(case["image"]) for case in cases] == [("pd", "dwi"), ("dwi",)]
    loaded = LoadCased(with_label=True, task=task)(cases[1])
    record = CaseRecord.from_json(loaded["record"])
    assert loaded["image"].shape[0] == 2
    assert not loaded["image"][0].any()
    assert loaded["presence"].tolist() == [False, True]
    assert (record.modalities, record.missing) == (("dwi",), ("pd",))
    assert torch.equal(loaded["label"][0].bool(), loaded["label"].any(dim=0))
    assert np.array_equal(loaded["label"][1].numpy(), stripes(0, 1, 2) == 1)
    assert CheckPreparedd("image", task=task)(loaded)["image"] is loaded["image"]


def test_cases_are_counted_by_the_modalities_and_numberings_of_the_task(folder, task):
    described = [describe_case(case, task=task) for case in list_cases(folder, task=task)]
    facts = summarise(described, task=task)
    assert facts["modalities"] == {"pd": 1, "dwi": 2}
    assert facts["modality_sets"] == {"pd dwi": 1, "dwi": 1}
    assert facts["label_conventions"] == {"plain": 2}
    assert (facts["n_usable"], facts["warnings"]) == (2, [])


def test_a_flat_folder_and_patterns_and_declared_volumes_know_the_modalities(tmp_path, task):
    (tmp_path / "flat").mkdir()
    for name in ("a-pd", "a-dwi", "b-pd"):
        save(tmp_path / "flat" / f"{name}.nii")
    assert find_layout(tmp_path / "flat", task=task) == Layout.flat
    assert parse_patterns(["Diffusion=*b1000*"], task=task) == {"dwi": "*b1000*"}
    both = {"case_id": "x", "image": tmp_path / "flat" / "a-pd.nii", "modalities": "dwi,pd"}
    volumes = case_files(both, task=task)
    assert {name: one.position for name, one in volumes.items()} == {"pd": 1, "dwi": 0}


def test_a_list_has_columns_of_the_task_and_says_which_others_seem_meant(
    folder, tmp_path, task, caplog
):
    files = {name: folder / "c0" / f"c0-{name}.nii.gz" for name in ("pd", "dwi", "seg")}
    row = {"case_id": "x", "PD": files["pd"], "diffusion": files["dwi"], "label": files["seg"]}
    more = {"label_convention": "turned", "diffusin": "", "t1c": ""}
    with caplog.at_level(logging.WARNING, logger="simmlm"):
        (item,) = list_cases(write_table(tmp_path / "list.csv", [{**row, **more}]), task=task)
    assert item["image"] == {name: files[name] for name in ("pd", "dwi")}
    assert "diffusin (is it dwi?), t1c" in caplog.text
    label = LoadCased(with_label=True, task=task)(item)["label"]
    assert np.array_equal(label[1].numpy(), stripes(0, 1, 2) == 2)
    (odd,) = list_cases(
        write_table(tmp_path / "odd.csv", [{**row, "label_convention": "brats2021"}]), task=task
    )
    assert "must be one of plain, turned; got 'brats2021'" in str(odd["problem"])


def test_messages_name_the_modalities_of_the_task(tmp_path, task):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty" / "flair.nii")
    with pytest.raises(CaseError, match=r"CASE-pd\.nii\.gz \(pd, dwi; also DWI\)"):
        find_images(tmp_path / "empty", "x", task=task)
    with pytest.raises(UsageError, match=r'\{"case_id": "a", "pd": "a-pd.nii.gz"\}'):
        list_cases(write_json(tmp_path / "list.json", {}), task=task)


def test_a_decathlon_description_tells_channels_and_numbering_of_the_task(folder, tmp_path, task):
    content = {
        "modality": {"0": "diffusion", "1": "PD"},
        "labels": {"0": "background", "1": "rim", "2": "core of it"},
        "training": [{"image": "a.nii.gz", "label": "b.nii.gz"}],
    }
    (item,) = list_cases(write_json(tmp_path / "dataset.json", content), task=task)
    assert {name: one.position for name, one in item["image"].items()} == {"pd": 1, "dwi": 0}
    assert item["label_convention"] == "turned"


@pytest.mark.parametrize(
    ("labels", "numbering"),
    [
        ({"background": 0, "core": 1, "rim": 2}, "plain"),
        ({"background": 0, "rim": 1, "core": 2, "scar": 7}, "turned"),
        ({"background": 0, "rim": 1, "core": 2}, None),
        ({"background": 0, "whole infarct": [1, 2], "core": 1}, "plain"),
        ({"background": 0, "whole infarct": [1, 2, 3], "core": 1}, None),
        ({"background": 0, "oedema": 1, "core": 2}, None),
    ],
)
def test_an_nnunet_description_tells_the_numbering_by_labels_or_regions(task, labels, numbering):
    assert described_numbering({"labels": labels}, task) == numbering


def test_a_value_of_no_region_is_background_and_is_told_in_the_words_of_the_task(tmp_path, task):
    path = save(tmp_path / "x-seg.nii", data=stripes(0, 1, 2, 7))
    label = read_label_map(path, case_id="x", declared="turned", task=task)
    assert np.array_equal(label.values, np.array([0, 2, 1, 0, 0, 0, 0, 0])[stripes(0, 1, 2, 7)])
    assert "an old scar, belong to no infarct region" in label.warnings[0]


def test_a_numbering_that_names_do_not_tell_is_refused_unless_there_is_only_one(tmp_path, task):
    path = save(tmp_path / "x_seg.nii", data=stripes(0, 1, 2))
    with pytest.raises(CaseError, match=r"One of plain, turned is right"):
        read_label_map(path, case_id="x", task=task)
    only = declared(tmp_path, numberings=ONE_NUMBERING)
    assert read_label_map(path, case_id="x", task=only).numbering == "plain"


def test_a_label_without_any_finding_is_told_in_the_words_of_the_task(folder, task):
    save(folder / "c0" / "c0-seg.nii.gz", data=stripes(0))
    facts = describe_case(list_cases(folder, task=task)[0], task=task)
    assert facts.warnings == ("label: no voxel is infarct",)


def test_training_and_validation_cases_are_those_of_the_task(folder, task):
    training, validation = divide_labelled(folder, task=task)
    assert sorted(case["case_id"] for case in (*training, *validation)) == ["c0", "c1"]


def test_only_tasks_of_skull_stripped_brains_warn_of_a_head_with_its_skull(tmp_path):
    full = scan(shape=(11, 10, 9))[1:-1, 1:-1, 1:-1] + 1000
    file = save(tmp_path / "x-pd.nii", data=full)
    warnings = {}
    for stripped in ("true", "false"):
        task = declared(tmp_path, skull_stripped=stripped)
        record = json.loads(LoadCased(task=task)({"image": {"pd": file}, "case_id": "x"})["record"])
        warnings[stripped] = record["warnings"]
    assert warnings["false"] == []
    assert "skull-stripped" in warnings["true"][0]
