import shutil

import pytest
from monai.data import DataLoader, Dataset

from bundle.cases.case_loader import LoadCased
from bundle.datasets.labelled_cases import cases_to_judge, divide_labelled, labelled_cases
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError, UsageError
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.sample_datasets import rows_of, write_msd, write_table


@pytest.fixture
def folder(phantom_folder, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(phantom_folder, tmp_path / "data")


def test_every_labelled_case_comes_with_its_files(folder):
    cases = labelled_cases(folder)
    assert [case["case_id"] for case in cases] == sorted(path.name for path in folder.iterdir())
    for case in cases:
        own = folder / case["case_id"]
        assert case["label"] == own / f"{case['case_id']}-seg.nii.gz"
        assert case["image"] == {
            modality: own / f"{case['case_id']}-{modality}.nii.gz"
            for modality in DEFAULT_TASK.modality_names
        }


def test_cases_are_divided_where_there_is_a_data_set_and_else_there_are_none(folder):
    training, validation = divide_labelled(folder, validation_share=0.5, seed=0)
    assert len(training) == len(validation) == 1
    assert {case["case_id"] for case in training + validation} == {
        path.name for path in folder.iterdir()
    }
    assert divide_labelled(None, validation_share=0.5) == ((), ())


def test_a_case_without_a_label_is_left_out_and_named_in_one_line(folder, caplog):
    first, second = sorted(folder.iterdir())
    (first / f"{first.name}-seg.nii.gz").unlink()
    assert [case["case_id"] for case in labelled_cases(folder)] == [second.name]
    (record,) = caplog.records
    assert (
        record.getMessage()
        == f"1 of 2 cases in {folder} have no label and are left out: {first.name}"
    )
    assert len(list_cases(folder)) == 2


def test_a_modality_that_is_not_there_is_not_among_the_files(folder):
    first = sorted(folder.iterdir())[0]
    (first / f"{first.name}-t1c.nii.gz").unlink()
    assert list(labelled_cases(folder)[0]["image"]) == ["t1n", "t2w", "t2f"]


def test_a_folder_may_be_named_by_text(folder):
    assert labelled_cases(str(folder)) == labelled_cases(folder)


def test_no_label_at_all_is_refused_and_the_folder_named(folder):
    for label in folder.glob("*/*-seg.nii.gz"):
        label.unlink()
    with pytest.raises(UsageError, match="labelled") as caught:
        labelled_cases(folder)
    assert str(folder) in str(caught.value)
    assert caught.value.code == "E_NO_LABEL"


def test_a_modality_with_two_files_is_refused_and_the_case_named(folder):
    first = sorted(folder.iterdir())[0]
    shutil.copy(first / f"{first.name}-t1c.nii.gz", first / f"{first.name}-t1ce.nii.gz")
    with pytest.raises(CaseError, match=first.name):
        labelled_cases(folder)


def spoil(folder, case):
    shutil.copy(folder / case / f"{case}-t1c.nii.gz", folder / case / f"{case}-t1ce.nii.gz")


def test_a_training_is_refused_with_the_names_of_all_cases_that_cannot_be_used(folder):
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        spoil(folder, name)
    with pytest.raises(
        CaseError, match=f"got 2 that are not: {', '.join(names)}.*simmlm data"
    ) as caught:
        labelled_cases(folder)
    assert caught.value.code == "E_CASE"


def test_of_very_many_cases_that_cannot_be_used_the_first_are_named(folder):
    case = sorted(folder.iterdir())[0]
    for number in range(13):
        shutil.copytree(case, folder / f"more-{number:02}")
        (folder / f"more-{number:02}" / "other-t1n.nii.gz").touch()
    with pytest.raises(CaseError, match=r"got 13 that are not: more-00, .*more-09 and 3 more\."):
        labelled_cases(folder)


def test_for_judging_a_case_that_cannot_be_used_stays_with_the_reason(folder):
    first, second = sorted(path.name for path in folder.iterdir())
    spoil(folder, first)
    odd, good = cases_to_judge(folder)
    assert (odd["case_id"], odd["problem"].code) == (first, "E_AMBIGUOUS")
    assert good == {case["case_id"]: case for case in cases_to_judge(folder)}[second]
    assert "problem" not in good


def test_a_problem_that_the_listing_found_stays_with_its_case(folder, monkeypatch):
    problem = CaseError("E_CASE_ID", "Case x: a sentence")
    listed = [*list_cases(folder), {"case_id": "x", "image": folder / "x", "problem": problem}]
    monkeypatch.setattr(
        "bundle.datasets.labelled_cases.list_cases", lambda *_args, **_options: listed
    )
    assert [case.get("problem") for case in cases_to_judge(folder)] == [None, None, problem]
    with pytest.raises(CaseError, match="a sentence"):
        labelled_cases(folder)


def test_labels_without_images_are_cases_only_where_none_are_needed(folder):
    for scan in folder.glob("*/*-t*.nii.gz"):
        scan.unlink()
    assert [case["image"] for case in cases_to_judge(folder, need_images=False)] == [{}, {}]
    assert {case["problem"].code for case in cases_to_judge(folder)} == {"E_NO_MODALITY"}


def test_a_table_and_a_decathlon_folder_give_their_labelled_cases(folder, tmp_path):
    rows = rows_of(folder, tmp_path)
    of_table = labelled_cases(
        write_table(tmp_path / "list.csv", [rows[0], {**rows[1], "label": ""}])
    )
    assert of_table == labelled_cases(folder)[:1]
    (of_msd,) = labelled_cases(write_msd(tmp_path / "msd", folder))
    assert (of_msd["case_id"], of_msd["label_convention"]) == ("BRATS_000", "msd")


def test_labelled_cases_of_a_decathlon_folder_reach_a_loaders_workers(folder, tmp_path):
    cases = labelled_cases(write_msd(tmp_path / "msd", folder))
    dataset = Dataset(cases, LoadCased(with_label=True))
    (batch,) = DataLoader(dataset, batch_size=1, num_workers=1)
    assert batch["label"].any()
    assert batch["presence"].all()
