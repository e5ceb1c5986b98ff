"""What converters hide is refused in one sentence that names the series, a way out, and nobody."""

import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest

from bundle.dicom.study import read_study
from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from tests.dicom.enhanced_object import merge
from tests.dicom.studies import PERSONAL, changed, files_of, with_tags

pytestmark = pytest.mark.slow


@pytest.fixture
def read(study, tmp_path):
    return lambda: read_study(study, tmp_path / "work", task=DEFAULT_TASK, case_id="case")


@pytest.fixture
def refused(read):
    """Read the study and return the one sentence that it is refused with."""

    def refused(code: str) -> str:
        with pytest.raises(CaseError) as caught:
            read()
        message = str(caught.value)
        assert caught.value.code == code
        assert message.startswith("Case case: ")
        assert "\n" not in message
        assert not any(word.lower() in message.lower() for word in PERSONAL)
        return message

    return refused


def test_a_missing_slice(study, refused):
    files_of(study, "t2_tse")[4].unlink()
    message = refused("E_SERIES_BROKEN")
    assert "series 3 (t2_tse_tra_448_p2) must be one whole stack" in message
    assert "slices with 1 missing" in message
    assert message.endswith(
        "Export it from the archive again, or choose another series by --series."
    )


def test_a_doubled_slice_of_another_image(study, refused):
    path = files_of(study, "tirm")[3]
    image = pydicom.dcmread(path)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = (
        f"{image.SOPInstanceUID[:-2]}7"
    )
    image.save_as(study / "again", enforce_file_format=True)
    assert "1 of them doubled" in refused("E_SERIES_BROKEN")


def test_other_voxels_under_the_identifier_of_an_image(study, refused):
    path = files_of(study, "tirm")[3]
    image = pydicom.dcmread(path)
    image.ImagePositionPatient = [0, 0, 500]
    image.save_as(study / "again", enforce_file_format=True)
    assert "different images under one SOPInstanceUID" in refused("E_SERIES_BROKEN")


def test_a_copy_of_a_file_is_used_once_with_a_warning(study, read):
    shutil.copy(files_of(study, "tirm")[3], study / "again")
    images = read()
    assert images.warnings == ("1 files of the study are copies of others and were left out.",)
    assert len(images.sources["t2f"].files) == len(files_of(study, "tirm")) - 1


def test_slices_at_uneven_distances(study, refused):
    path = files_of(study, "tirm")[2]
    image = pydicom.dcmread(path)
    x, y, z = image.ImagePositionPatient
    image.ImagePositionPatient = [x, y, z + 0.9]
    image.save_as(path, enforce_file_format=True)
    assert "slices 2.10 to 3.90 mm apart" in refused("E_SERIES_BROKEN")


def test_two_patients_under_one_series(study, refused):
    image = pydicom.dcmread(files_of(study, "_KM")[0])
    image.PatientID = "SOMEBODYELSE"
    image.save_as(files_of(study, "_KM")[0], enforce_file_format=True)
    message = refused("E_SERIES_BROKEN")
    assert "series 6 (t1_mprage_tra_p2_iso_KM)" in message
    assert "images of several patients under one series UID" in message
    assert "SOMEBODYELSE" not in message


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [("PatientID", "SOMEBODYELSE", "2 patients"), ("StudyInstanceUID", "1.2.3", "2 studies")],
)
def test_two_patients_or_two_studies_in_one_folder(study, refused, keyword, value, words):
    with_tags(study, "t2_tse", **{keyword: value})
    message = refused("E_STUDY")
    assert f"one study of one patient; got images of {words}" in message


def test_a_truncated_file(study, refused):
    path = files_of(study, "t2_tse")[2]
    path.write_bytes(path.read_bytes()[:-100])
    message = refused("E_SERIES_BROKEN")
    assert "1 truncated of" in message
    assert "bytes of voxels" in message


def test_a_truncated_file_of_compressed_voxels(study, refused):
    changed(study, "t2_tse", lambda image: image.compress(pydicom.uid.RLELossless))
    path = files_of(study, "t2_tse")[2]
    path.write_bytes(path.read_bytes()[:-100])
    assert "an end in the middle of compressed voxels" in refused("E_SERIES_BROKEN")


@pytest.mark.parametrize("kept", [200, 700, 1000, 1300])
def test_a_file_that_ends_in_its_header_leaves_a_gap_or_a_warning(study, read, kept):
    """Its slice is missing, however much of it can be read."""
    path = files_of(study, "t2_tse")[2]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CaseError, match=r"1 missing|truncated|no position") as caught:
        read()
    assert caught.value.code == "E_SERIES_BROKEN"


def test_a_folder_without_images(study, refused):
    for path in [path for path in study.rglob("*") if path.is_file()]:
        path.unlink()
    (study / "report.pdf").write_bytes(b"%PDF" + b" " * 200)
    assert "must hold DICOM files; got 1 files that are none" in refused("E_STUDY")


def test_objects_that_are_no_images(study, refused, read):
    with_tags(study, "_ADC", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22")
    changed(study, "_ADC", lambda image: [delattr(image, key) for key in ("Rows", "PixelData")])
    assert any("series 5" in text.lower() and "SR" in text for text in read().others)
    for words in ("mprage_sag", "t2_tse", "tirm", "_KM", "localizer"):
        for path in files_of(study, words):
            path.unlink()
    message = refused("E_STUDY")
    assert (
        "must have a series of t1n, t1c, t2w, t2f; got Series 5 (ep2d_diff_ADC) is not used"
        in message
    )


def test_a_localiser_only(study, refused):
    for words in ("mprage_sag", "t2_tse", "tirm", "_KM", "_ADC"):
        for path in files_of(study, words):
            path.unlink()
    assert "it is a localiser" in refused("E_STUDY")


def test_a_series_of_few_slices_is_none_whatever_it_is_called(study, read):
    for path in files_of(study, "t2_tse")[3:]:
        path.unlink()
    images = read()
    assert "t2w" not in images.files
    assert any("it has 3 slices only" in text for text in images.others)


def test_computed_tomography_and_burnt_in_texts(study, read):
    with_tags(study, "t2_tse", Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    with_tags(study, "tirm", BurnedInAnnotation="YES")
    images = read()
    assert tuple(images.files) == ("t1n", "t1c")
    assert any("Series 3" in text and "it is CT and not MR" in text for text in images.others)
    assert any("Series 4" in text and "texts are burnt into" in text for text in images.others)


def test_only_computed_tomography(study, refused):
    for words in ("mprage_sag", "t2_tse", "tirm", "_KM", "_ADC", "localizer"):
        with_tags(study, words, Modality="CT", BurnedInAnnotation="YES")
    assert "it is CT and not MR" in refused("E_STUDY")


def test_captures_of_screens_are_no_scans(study, read):
    with_tags(study, "t2_tse", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert any("capture" in text for text in read().others)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelSpacing": None}, "no PixelSpacing"),
        ({"ImagePositionPatient": None}, "no position or orientation"),
    ],
)
def test_no_pixel_spacing_or_position(study, refused, tags, words):
    with_tags(study, "t2_tse", **tags)
    message = refused("E_SERIES_BROKEN")
    assert "series 3 (t2_tse_tra_448_p2)" in message
    assert words in message


def test_slices_of_several_sizes(study, refused):
    path = files_of(study, "t2_tse")[2]
    image = pydicom.dcmread(path)
    image.Rows -= 1
    image.PixelData = image.PixelData[: -2 * image.Columns]
    image.save_as(path, enforce_file_format=True)
    assert "slices of several sizes" in refused("E_SERIES_BROKEN")


def test_a_series_in_time_is_no_volume(study, refused):
    for number, path in enumerate(files_of(study, "tirm")):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        image.save_as(path.with_name(f"{path.name}x"), enforce_file_format=True)
    assert "2 volumes of" in refused("E_SERIES_BROKEN")


def test_two_echoes_of_a_series_are_told_apart(study, read):
    """A double echo, proton density and T2, under one series UID and one name."""

    def double(image):
        image.SeriesDescription = image.ProtocolName = "pd+t2_tse_tra"

    changed(study, "t2_tse", double)
    for number, path in enumerate(files_of(study, "t2_tse")):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        image.EchoTime, image.EchoNumbers = 12, 2
        image.PixelData = (image.pixel_array // 2).tobytes()
        image.save_as(path.with_name(f"{path.name}x"), enforce_file_format=True)
    images = read()
    assert len(images.sources["t2w"].files) == len(files_of(study, "t2_tse")) / 2
    assert {float(pydicom.dcmread(path).EchoTime) for path in images.sources["t2w"].files} == {98}
    assert any("proton-density" in text and "echo time 12" in text for text in images.others)


def test_a_broken_series_gives_way_to_a_whole_one_with_a_warning(study, read):
    for number, path in enumerate(files_of(study, "t2_tse")):
        image = pydicom.dcmread(path)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        image.SeriesInstanceUID, image.SeriesNumber = "1.2.3", 13
        image.save_as(path.with_name(f"{path.name}x"), enforce_file_format=True)
    files_of(study, "t2_tse")[4].unlink()
    (warning,) = read().warnings
    assert "1 missing" in warning
    assert "Another series of t2w was used." in warning


def test_a_multi_frame_object_is_converted_as_its_own_header_says(study, read):
    before = read()
    expected = nib.load(before.files["t2w"])
    values, affine = expected.get_fdata(), expected.affine
    merge(files_of(study, "t2_tse"))
    images = read()
    assert len(set(images.sources["t2w"].files)) == 1
    found = nib.load(images.files["t2w"])
    assert np.allclose(found.affine, affine, atol=1e-4)
    assert np.array_equal(found.get_fdata(), values)


def test_a_multi_frame_object_without_positions_is_refused(study, refused):
    merge(files_of(study, "t2_tse"))
    (path,) = files_of(study, "t2_tse")
    image = pydicom.dcmread(path)
    for frame in image.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence
    image.save_as(path, enforce_file_format=True)
    assert "no position or orientation" in refused("E_SERIES_BROKEN")


def test_what_the_converter_cannot_read_is_refused_by_the_series_name(study, refused):
    def deflate(image):
        image.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    changed(study, "t2_tse", deflate)
    message = refused("E_CONVERSION")
    assert "dcm2niix must make of series 3 (t2_tse_tra_448_p2) one volume" in message
