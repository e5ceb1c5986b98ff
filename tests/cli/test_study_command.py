"""The commands that draw studies and list their series."""

import csv
import sys

import pytest

from bundle.phantoms.dicom_study import write_studies
from tests.dicom.studies import PERSONAL, copied, files_of, with_tags
from tests.test_bad_input import call

SMALL = ("--shape", "32", "37", "34")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    (study,) = write_studies(
        tmp_path_factory.mktemp("drawn"), n_cases=1, seed=3, shape=(32, 37, 34)
    )
    return study


def test_a_study_is_drawn_with_its_truth_beside_it(tmp_path):
    result = call("phantom", tmp_path / "new", "--dicom", *SMALL)
    assert result.exit_code == 0
    assert result.output.split() == [str(tmp_path / "new" / "phantom-00001-000")]
    assert sorted(path.name for path in (tmp_path / "new" / "truth").iterdir()) == [
        "phantom-00001-000-motions.json",
        "phantom-00001-000-seg.nii.gz",
    ]


def test_a_naming_does_not_go_with_a_study_and_a_task_must_declare_one(tmp_path):
    result = call("phantom", tmp_path / "new", "--dicom", "--naming", "brats2021")
    assert result.exit_code == 2
    assert "--naming goes with NIfTI cases" in result.output
    result = call("phantom", tmp_path / "new", "--dicom", "--task", "ms_lesions")
    assert result.exit_code == 2
    assert "Task ms_lesions must declare phantom.dicom" in result.output


def test_the_series_of_a_study_are_listed_and_written(whole, tmp_path):
    result = call("series", whole, "-o", tmp_path / "series.csv")
    assert result.exit_code == 0
    with (tmp_path / "series.csv").open(newline="") as file:
        found = [row["modality"] for row in csv.DictReader(file)]
    assert found == ["none", "none", "none", "t1n", "t2w", "t2f", "none", "t1c"]
    for modality in ("t1n", "t2w", "t2f", "t1c"):
        assert modality in result.output


def test_a_doubt_is_shown_with_status_1_and_settled_by_the_completed_table(whole, tmp_path):
    study = copied(whole, tmp_path)
    with_tags(study, "tirm", SeriesDescription="t2", ProtocolName="t2")
    table = tmp_path / "series.csv"
    result = call("series", study, "-o", table)
    assert result.exit_code == 1
    assert table.read_text().count("?,") == 1
    table.write_text(table.read_text().replace("?,", "t2f,"))
    result = call("series", study, "--series", table)
    assert result.exit_code == 0
    assert "decided in" in result.output


def test_nothing_that_is_shown_or_written_names_the_patient(whole, tmp_path):
    study = copied(whole, tmp_path)
    with_tags(study, "tirm", SeriesDescription="t2 Drawnperson MRN000300001")
    output = call("series", study, "-o", tmp_path / "series.csv").output
    for path in files_of(study, "t2_tse")[:1]:
        path.unlink()
    files_of(study, "_KM")[3].unlink()
    output += call("series", study).output
    output += (tmp_path / "series.csv").read_text()
    assert not any(word.lower() in output.lower() for word in PERSONAL)


def test_a_folder_without_dicom_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    result = call("series", tmp_path)
    assert result.exit_code == 1
    assert "E_STUDY" in result.output


def test_pydicom_that_is_not_installed_is_named_with_its_extra(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for arguments in (("series", whole), ("phantom", whole.parent / "new", "--dicom", *SMALL)):
        result = call(*arguments)
        assert result.exit_code == 78
        assert 'pip install -e ".[dicom]"' in result.output
