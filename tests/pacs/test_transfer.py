import gc
import sys
import warnings

import pydicom
import pytest
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.errors import OutputError, SetupError, UsageError
from bundle.pacs.archive import Address, check_uid, parse_address
from bundle.pacs.transfer import dicom_files, fetch_study
from tests.pacs.dicom_samples import NAME, STUDY, instance, save_study
from tests.pacs.orthanc import can_run, run_beside

SIMMLM = [sys.executable, "-m", "bundle.cli"]


class Given:
    """An archive that has what it is given."""

    def __init__(self, *instances, fails=False):
        self.instances, self.fails = instances, fails

    def fetch(self, study_uid):
        yield from self.instances
        if self.fails:
            raise SetupError("E_PACS", "it broke off")


# ---- Addresses -----------------------------------------------------------------


def test_an_address_is_a_service_or_an_entity():
    assert parse_address("https://pacs.example/dicom-web/") == Address(
        "https://pacs.example/dicom-web"
    )
    assert parse_address("MY PACS@10.0.0.1:104") == Address("", "MY PACS", "10.0.0.1", 104)
    assert parse_address("A@[::1]:11112") == Address("", "A", "::1", 11112)
    assert str(parse_address("A@host:104")) == "A@host:104"


@pytest.mark.parametrize(
    "text",
    ["", "pacs", "A@host", "A@host:0", "A@host:70000", "B" * 17 + "@h:1", "ftp://h", "http://"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="TITLE@HOST:PORT"):
        parse_address(text)


def test_a_password_in_an_address_is_neither_taken_nor_repeated():
    with pytest.raises(UsageError, match="SIMMLM_PACS_PASSWORD") as error:
        parse_address("https://me:secret@pacs.example/dicom-web")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("uid", ["", "1", "1.02", "1.2/../x", "1.2 ", "1." + "2" * 64, "None"])
def test_what_is_no_uid_becomes_no_name_of_a_file(uid):
    with pytest.raises(UsageError, match="digits and points"):
        check_uid(uid, "It")


# ---- Folders -------------------------------------------------------------------


def test_a_study_is_a_folder_of_series(tmp_path):
    archive = Given(*(instance(series, number) for series in (1, 2) for number in (1, 2)))
    assert fetch_study(archive, STUDY, tmp_path / "a" / "study") == 4
    files = sorted(
        path.relative_to(tmp_path / "a" / "study").as_posix()
        for path in (tmp_path / "a").rglob("*.dcm")
    )
    assert files == [f"{STUDY}.{s}/{STUDY}.{s}.{n}.dcm" for s in (1, 2) for n in (1, 2)]
    read = pydicom.dcmread(tmp_path / "a" / "study" / files[0])
    assert (read.PatientName, read.pixel_array.max()) == (NAME, 11)


@pytest.mark.parametrize(
    ("archive", "found"),
    [
        (Given(), "no instance"),
        (Given(instance(1, 1), fails=True), "broke off"),
        (Given(instance(1, 1), instance(1, 1, "1.2.3")), "another one"),
    ],
)
def test_half_a_study_is_none(tmp_path, archive, found):
    with pytest.raises(SetupError, match=found) as error:
        fetch_study(archive, STUDY, tmp_path / "study")
    assert list(tmp_path.iterdir()) == []
    assert "Mustermann" not in str(error.value)


def test_an_instance_whose_uid_leads_elsewhere_is_not_written(tmp_path):
    bad = instance(1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom says what is wrong with it
        bad.SOPInstanceUID = "../../evil"
    with pytest.raises(UsageError, match="digits and points"):
        fetch_study(Given(bad), STUDY, tmp_path / "deep" / "study")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(OutputError, match="must be new"):
        fetch_study(Given(instance(1, 1)), STUDY, tmp_path)


def test_what_is_sent_must_be_there(tmp_path):
    files = save_study(tmp_path / "in")
    (tmp_path / "in" / "note.txt").write_text("no image")
    files[1] = files[1].rename(tmp_path / "in" / "0017A")
    assert dicom_files([tmp_path / "in"]) == sorted(files)
    assert dicom_files([files[0]]) == [files[0]]
    with pytest.raises(UsageError, match="not there"):
        dicom_files([tmp_path / "none"])
    with pytest.raises(UsageError, match="got none"):
        dicom_files([(tmp_path / "in" / "empty").mkdir() or tmp_path / "in" / "empty"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_archive_that_is_not_there_is_one_sentence(tmp_path):
    for where in ("http://127.0.0.1:9/dicom-web", "A@127.0.0.1:9"):
        done = CliRunner().invoke(app, ["fetch", STUDY, "--from", where, "-o", str(tmp_path / "x")])
        assert done.exit_code == 78
        assert done.stderr.startswith("E_PACS: The archive ")
        assert done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
    gc.collect()  # pynetdicom leaves a socket open where nobody answers


# ---- A real archive ------------------------------------------------------------


@pytest.mark.server
@pytest.mark.skipif(not can_run(), reason="needs Orthanc and a network namespace")
def test_a_study_goes_to_an_archive_and_comes_back_both_ways_with_its_pixels(tmp_path):
    files = save_study(tmp_path / "in")
    outcomes = run_beside(
        tmp_path / "orthanc",
        [
            [*SIMMLM, "send", *map(str, files[:3]), "--to", "{archive}"],
            [*SIMMLM, "send", *map(str, files[3:]), "--to", "{dimse}"],
            [*SIMMLM, "fetch", STUDY, "--from", "{archive}", "-o", str(tmp_path / "web")],
            [*SIMMLM, "fetch", STUDY, "--from", "{dimse}", "-o", str(tmp_path / "dimse")],
            [*SIMMLM, "fetch", "1.2.9", "--from", "{archive}", "-o", str(tmp_path / "none")],
            [*SIMMLM, "fetch", "1.2.9", "--from", "{dimse}", "-o", str(tmp_path / "none")],
        ],
    )
    assert [status for status, _ in outcomes] == [0, 0, 0, 0, 78, 78], outcomes
    assert all(text.startswith("E_PACS: ") and text.count("\n") == 1 for _, text in outcomes[4:])
    assert not (tmp_path / "none").exists()
    for way in ("web", "dimse"):
        for series in (1, 2):
            for number in (1, 2, 3):
                uid = f"{STUDY}.{series}"
                read = pydicom.dcmread(tmp_path / way / uid / f"{uid}.{number}.dcm")
                assert read.pixel_array.tolist() == instance(series, number).pixel_array.tolist()
