"""A folder of studies is listed, one entry per patient and study, without naming anybody."""

import shutil

import pydicom
import pytest

from bundle.dicom.case_names import case_name, read_salt
from bundle.dicom.study import read_study
from bundle.dicom.study_files import is_study
from bundle.dicom.study_list import list_studies
from bundle.errors import CaseError, UsageError
from bundle.names.case_ids import is_case_id, patient_of
from bundle.tasks.default import DEFAULT_TASK
from tests.dicom.studies import PERSONAL, copied, files_of, with_tags


@pytest.fixture
def heap(whole, tmp_path):
    """Files of two patients in one folder, and a second visit of one of them."""
    folder = tmp_path / "heap"
    for number, tags in enumerate(
        ({}, {"StudyInstanceUID": "1.2.3"}, {"PatientID": "other", "StudyInstanceUID": "1.2.4"})
    ):
        copy = copied(whole, tmp_path / f"part{number}")
        for words in ("mprage_sag", "tirm", "localizer", "_KM", "_ADC"):
            for path in files_of(copy, words):
                path.unlink()
        if tags:
            with_tags(copy, "t2_tse", **tags, SeriesInstanceUID=f"1.2.5.{number}")
        shutil.copytree(copy, folder / str(number))
    return folder


def test_patients_and_visits_are_told_apart_by_names_that_say_nothing(heap):
    studies = list_studies(heap, salt="s" * 64)
    assert len(studies) == len({study.case_id for study in studies}) == 3
    assert all(is_case_id(study.case_id) for study in studies)
    patients = [patient_of(study.case_id) for study in studies]
    assert patients[0] == patients[1] != patients[2]
    text = " ".join(study.case_id for study in studies)
    assert not any(word in text for word in (*PERSONAL, "other"))


def test_each_study_of_a_heap_is_read_from_its_own_files(heap, tmp_path):
    for number, study in enumerate(list_studies(heap, salt="s" * 64)):
        images = read_study(study, tmp_path / str(number), task=DEFAULT_TASK, case_id="case")
        assert tuple(images.files) == ("t2w",)
        assert set(map(str, study.files)) == set(images.sources["t2w"].files)


@pytest.mark.parametrize("start", [0, 1])
def test_two_patients_under_one_series_do_not_become_two_whole_studies(study, tmp_path, start):
    for path in files_of(study, "t2_tse")[start::2]:
        image = pydicom.dcmread(path)
        image.PatientID = "other"
        image.save_as(path, enforce_file_format=True)
    refusals = []
    for number, one in enumerate(list_studies(study, salt="s" * 64)):
        try:
            read_study(one, tmp_path / str(number), task=DEFAULT_TASK, case_id="case")
        except CaseError as error:
            refusals.append(str(error))
    assert len(refusals) == 1
    assert "several patients under one series UID" in refusals[0]


def test_the_same_salt_gives_the_same_names_and_another_one_others(tmp_path):
    salt = read_salt(tmp_path / "salt")
    assert read_salt(tmp_path / "salt") == salt
    assert (tmp_path / "salt").stat().st_mode & 0o077 == 0
    name = case_name("patient", "1.2.3", salt)
    assert case_name("patient", "1.2.3", read_salt(tmp_path / "salt")) == name
    assert case_name("patient", "1.2.3", read_salt(tmp_path / "other")) != name
    assert case_name("", "1.2.3", salt) != case_name("", "1.2.4", salt)


def test_a_salt_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "salt").write_text("pepper\n")
    with pytest.raises(UsageError, match="must have at least 32 letters; got 6"):
        read_salt(tmp_path / "salt")


def test_a_study_is_known_by_its_bytes_and_not_by_names(whole, tmp_path):
    assert is_study(whole)
    assert is_study(whole.parent)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "image.dcm").write_bytes(b"x" * 200)
    (tmp_path / "cases" / "t1.nii.gz").write_bytes(b"\x1f\x8b")
    assert not is_study(tmp_path / "cases")
    assert not is_study(tmp_path / "cases" / "image.dcm")
    assert not is_study(tmp_path / "nowhere")
