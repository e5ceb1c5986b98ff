import pydicom
import pytest

from bundle.dicom.own_names import own_name
from bundle.errors import UsageError
from bundle.preparing.study_cases import study_cases
from tests.pacs.dicom_samples import instance, save_study


@pytest.mark.parametrize(
    ("identity", "name", "date", "found"),
    [
        ("4711", "Muster^Erika", "20200203", "4711_20200203"),
        ("47/11 b", "", "", "47-11-b"),
        ("", "Muster^Erika", "20200203", "Muster-Erika_20200203"),
        ("../..", "", "", ""),
        ("", "", "20200203", ""),
    ],
)
def test_a_study_is_called_after_its_patient_in_letters_that_a_folder_can_have(
    tmp_path, identity, name, date, found
):
    image = instance(1, 1)
    image.PatientID, image.PatientName, image.StudyDate = identity, name, date
    image.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert own_name(tmp_path / "a.dcm") == found


def test_only_those_who_ask_get_the_patients_names(tmp_path):
    save_study(tmp_path / "in")
    (kept,) = study_cases(tmp_path / "in", tmp_path / "out", keep_names=True)
    assert kept["case_id"] == "4711"
    (hidden,) = study_cases(tmp_path / "in", tmp_path / "out")
    assert hidden["case_id"].startswith("dicom-")
    assert study_cases(tmp_path / "in", tmp_path / "out")[0]["case_id"] == hidden["case_id"]


def test_two_studies_of_one_name_are_no_case_of_each_other(tmp_path):
    save_study(tmp_path / "in" / "a")
    save_study(tmp_path / "in" / "b", "1.2.3")
    cases = study_cases(tmp_path / "in", tmp_path / "out", keep_names=True)
    assert len(cases) == 2
    assert any("problem" in case for case in cases)
    assert pydicom.dcmread(cases[0]["study"].files[0]).StudyInstanceUID


def test_one_name_cannot_be_that_of_two_studies(tmp_path):
    save_study(tmp_path / "in" / "a")
    save_study(tmp_path / "in" / "b", "1.2.3")
    with pytest.raises(UsageError, match="must go with one study; got 2"):
        study_cases(tmp_path / "in", tmp_path / "out", "mine")
