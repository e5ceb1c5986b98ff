import numpy as np
import pytest

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.evaluation.truths import is_folder_of_truths, list_truths, load_truth
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.sample_datasets import stripes, write_case
from tests.evaluation.sample_scores import LUNG
from tests.volumes.nifti_samples import save


@pytest.fixture
def folder(tmp_path):
    """Label maps and nothing else."""
    (tmp_path / "truth").mkdir()
    for name in ("a.nii.gz", "b-seg.nii.gz", "c_seg.NII.GZ"):
        save(tmp_path / "truth" / "x.nii.gz", data=stripes(0, 1, 2)).rename(
            tmp_path / "truth" / name
        )
    return tmp_path / "truth"


def test_a_folder_of_label_maps_is_the_truth_of_the_cases_that_they_are_named_after(folder):
    (folder / ".hidden").mkdir()
    assert is_folder_of_truths(folder)
    truths = list_truths(folder)
    assert [truth["case_id"] for truth in truths] == ["a", "b", "c"]
    assert all(truth["image"] == {} and truth["label"].parent == folder for truth in truths)


@pytest.mark.parametrize(
    "name", ["a-t1c.nii.gz", "t2.nii", "a_flair.nii.gz", "a_0000.nii.gz", "a-T1CE.NII.GZ"]
)
def test_a_folder_with_a_scan_is_none_of_truths(folder, name):
    save(folder / name)
    assert not is_folder_of_truths(folder)


def test_what_a_scan_is_called_is_said_by_the_task(folder):
    save(folder / "a-pet.nii.gz")
    assert is_folder_of_truths(folder)
    assert not is_folder_of_truths(folder, task=LUNG)


def test_case_folders_and_folders_without_label_maps_are_none_of_truths(folder, tmp_path):
    write_case(folder / "case")
    assert not is_folder_of_truths(folder)
    (tmp_path / "empty").mkdir()
    assert not is_folder_of_truths(tmp_path / "empty")
    assert not is_folder_of_truths(tmp_path / "nowhere")


def test_two_truths_of_a_case_fail_alone(folder):
    save(folder / "a_seg.nii.gz", data=stripes(0, 1))
    problems = {truth["case_id"]: truth.get("problem") for truth in list_truths(folder)}
    assert problems.pop("a").code == "E_AMBIGUOUS"
    assert set(problems.values()) == {None}


def test_a_truth_is_loaded_as_a_case_without_images(folder):
    case = load_truth(list_truths(folder)[1], None)
    assert np.array_equal(case["label"].numpy(), DEFAULT_TASK.labels_to_regions(stripes(0, 1, 2)))
    assert not case["image"].any()
    assert CaseRecord.from_json(case["record"]).modalities == ()


def test_a_truth_has_the_modalities_and_regions_of_the_task(folder, tmp_path):
    save(tmp_path / "n-seg.nii.gz", data=stripes(0, 1))
    truth = {"case_id": "n", "label": tmp_path / "n-seg.nii.gz"}
    case = load_truth(truth, LUNG.default_numbering.name, task=LUNG)
    assert np.array_equal(case["label"].numpy(), stripes(0, 1)[None])
    assert len(case["image"]) == 3


def test_a_numbering_that_the_name_does_not_tell_must_be_declared(folder):
    truth = list_truths(folder)[0]
    with pytest.raises(CaseError, match="--labels"):
        load_truth(truth, None)
    assert load_truth(truth, "brats2023")["label"].any()
