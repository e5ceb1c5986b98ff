"""What --dicom writes says the same as the NIfTI files, of the same images, and is valid DICOM."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from pydicom import dcmread
from scipy.ndimage import center_of_mass
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.errors import CaseError, SetupError
from bundle.outputs.output_list import case_outputs
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from tests.other_task import LESIONS
from tests.outputs.dicom_series import (
    BIRTH_DATE,
    NAME,
    PATIENT_ID,
    SERIES,
    SHAPE,
    affine_of,
    blocks,
    computed,
    prepared_record,
    write_series,
)
from tests.outputs.test_map_writer import writer

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])
EACH_SERIES = pytest.mark.parametrize("kind", SERIES)


def turned_grid(affine, axes):
    """The same voxels with their axes in another order and direction, as converters store them."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(axes))
    shape = tuple(SHAPE[int(axis)] for axis in np.argsort(turn[:, 0]))
    return grid_from_affine(shape, affine @ inv_ornt_aff(turn, SHAPE))


def write(folder, record, label, *, entropy=None, task=DEFAULT_TASK, **options):
    case = computed(record, label, entropy, task)
    return writer(folder, task=task, **{"dicom": True, **options}).write(case, computed_s=1.5)


def segments_of(path):
    """Read a segmentation: label values (H, W, D), and voxel to world in RAS+ mm."""
    segmentation = hd.seg.segread(path)
    volume = segmentation.get_volume(combine_segments=True)
    return segmentation, volume.array, LPS_TO_RAS @ volume.affine


def centroids_mm(label, affine):
    return {
        int(value): apply_affine(affine, center_of_mass(label == value))
        for value in np.unique(label)
        if value
    }


def assert_same_places(one, other, within_mm):
    assert one.keys() == other.keys()
    for value in one:
        assert one[value] == pytest.approx(other[value], abs=within_mm)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A case on an oblique series with segmentation, report and entropy."""
    folder = tmp_path_factory.mktemp("written")
    files = write_series(folder / "in", **SERIES["oblique"])
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    entropy = np.random.default_rng(0).random(record.grid.shape, np.float32)
    label = blocks(record.grid.shape)
    out = write(folder / "out", record, label, entropy=entropy, dicom_entropy=True)
    return files, out, entropy


@EACH_SERIES
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_each_segment_lies_where_the_label_of_the_nifti_lies(tmp_path, kind, axes):
    files = write_series(tmp_path / "in", **SERIES[kind])
    record = prepared_record(files, turned_grid(affine_of(files), axes))
    out = write(tmp_path / "out", record, blocks(record.grid.shape))
    nifti = nib.load(out / "case7_seg.nii.gz")
    _, label, affine = segments_of(out / "case7_seg.dcm")
    theirs = np.asarray(nifti.dataobj)
    assert_same_places(centroids_mm(label, affine), centroids_mm(theirs, nifti.affine), 1e-4)
    assert [np.sum(label == v) for v in (1, 2, 3)] == [np.sum(theirs == v) for v in (1, 2, 3)]


@EACH_SERIES
def test_a_frame_refers_to_the_image_that_lies_in_its_place(tmp_path, kind):
    files = write_series(tmp_path / "in", **SERIES[kind])
    record = prepared_record(files[::-1], turned_grid(affine_of(files), "LAS"))
    out = write(tmp_path / "out", record, blocks(record.grid.shape))
    images = {image.SOPInstanceUID: image for image in map(dcmread, files)}
    segmentation = dcmread(out / "case7_seg.dcm")
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        image = images[source.ReferencedSOPInstanceUID]
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert place == pytest.approx(image.ImagePositionPatient)
    assert segmentation.FrameOfReferenceUID == dcmread(files[0]).FrameOfReferenceUID
    assert segmentation.StudyInstanceUID == dcmread(files[0]).StudyInstanceUID


def ball(grid, centre_mm, radius_mm):
    """A core within a tumour, drawn by distances in mm."""
    indices = np.moveaxis(np.indices(grid.shape), 0, -1)
    distance = np.linalg.norm(apply_affine(grid.affine, indices) - centre_mm, axis=-1)
    return np.where(distance < radius_mm / 2, 3, np.where(distance < radius_mm, 2, 0)).astype("u1")


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_case_on_another_grid_is_written_on_that_of_the_series_where_it_lay_before_it_moved(
    tmp_path, is_moved
):
    files = write_series(tmp_path / "in", Columns=48, Rows=40, PixelData=bytes(48 * 40 * 2), step=3)
    native = grid_from_affine((48, 40, SHAPE[2]), affine_of(files))
    move = np.eye(4)
    if is_moved:
        move[:3, :3] = Rotation.from_euler("xyz", (4, -3, 6), degrees=True).as_matrix()
        move[:3, 3] = (5.0, -4.0, 3.0)
    centre = apply_affine(native.affine, (22, 17, 2.6))
    moved = apply_affine(move, centre)
    working = np.eye(4)
    working[:3, 3] = moved - 20
    grid = grid_from_affine((40, 41, 42), working)
    record = prepared_record(files, grid, native=native, moved_by=move)
    out = write(tmp_path / "out", record, ball(grid, moved, 6.5))
    _, label, affine = segments_of(out / "case7_seg.dcm")
    assert set(np.unique(label)) == {0, 2, 3}
    for found in centroids_mm(label > 0, affine).values():
        assert np.linalg.norm(found - centre) < 0.4
    volume = np.sum(label > 0) * abs(np.linalg.det(affine[:3, :3]))
    assert volume == pytest.approx(4 / 3 * np.pi * 6.5**3, rel=0.05)


def test_segments_have_the_names_numbers_codes_and_colours_of_the_task(written):
    _, out, _ = written
    segmentation = hd.seg.segread(out / "case7_seg.dcm")
    for label, segment in zip(DEFAULT_TASK.labels, segmentation.SegmentSequence, strict=True):
        assert (segment.SegmentNumber, segment.SegmentLabel) == (label.value, label.name)
        code = segment.SegmentedPropertyTypeCodeSequence[0]
        assert (code.CodeValue, code.CodeMeaning) == label.code
        assert code.CodingSchemeDesignator == "SCT"
        anatomy = segment.AnatomicRegionSequence[0]
        assert (anatomy.CodeValue, anatomy.CodeMeaning) == DEFAULT_TASK.anatomy
        colour = hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        assert colour.to_rgb() == pytest.approx(tuple(bytes.fromhex(label.colour[1:])), abs=2)
        assert segment.SegmentAlgorithmName == "SimMLM"
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.SegmentsOverlap == "NO"


def test_a_label_without_a_code_gets_a_private_one(tmp_path):
    files = write_series(tmp_path / "in")
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"), modality="t1")
    label = (blocks(record.grid.shape) > 0).astype(np.uint8)
    nameless = replace(LESIONS.labels[0], code=None, name="bright white spot")
    task = replace(LESIONS, labels=(nameless,), anatomy=None)
    out = write(tmp_path / "out", record, label, task=task)
    (segment,) = dcmread(out / "case7_seg.dcm").SegmentSequence
    (code,) = segment.SegmentedPropertyTypeCodeSequence
    assert code.CodeMeaning == "bright white spot"
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("BRIGHT_WHITE_SPO", "99SIMMLM")
    assert "AnatomicRegionSequence" not in segment


def contents(item):
    yield item
    for inner in item.get("ContentSequence", []):
        yield from contents(inner)


def volumes_in(report):
    """Tracking identifier to volume in ml, of every group of measurements."""
    found = {}
    for group in contents(report):
        inner = group.get("ContentSequence", [])
        names = [item.TextValue for item in inner if meaning(item) == "Tracking Identifier"]
        for item in inner:
            if meaning(item) == "Volume" and names:
                measured = item.MeasuredValueSequence[0]
                assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "ml"
                found[names[0]] = float(measured.NumericValue)
    return found


def meaning(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""


def test_the_report_has_the_volumes_of_segments_and_regions(written):
    files, out, _ = written
    voxel_ml = abs(np.linalg.det(affine_of(files)[:3, :3])) / 1000
    label = blocks(nib.load(out / "case7_seg.nii.gz").shape)
    expected = {
        label_of.name: voxel_ml * np.sum(label == label_of.value)
        for label_of in DEFAULT_TASK.labels
    }
    expected |= {
        f"{region.title} ({region.name})": voxel_ml * np.isin(label, region.labels).sum()
        for region in DEFAULT_TASK.regions
        if len(region.labels) > 1
    }
    assert volumes_in(dcmread(out / "case7_report.dcm")) == pytest.approx(expected, abs=5e-4)


def test_the_report_refers_to_the_segments_and_to_every_image(written):
    files, out, _ = written
    report, segmentation = dcmread(out / "case7_report.dcm"), dcmread(out / "case7_seg.dcm")
    referred = [
        item.ReferencedSOPSequence[0]
        for item in contents(report)
        if meaning(item) == "Referenced Segment"
    ]
    assert {item.ReferencedSOPInstanceUID for item in referred} == {segmentation.SOPInstanceUID}
    assert [item.ReferencedSegmentNumber for item in referred] == [1, 2, 3]
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert evidence == {segmentation.SOPInstanceUID, *(dcmread(f).SOPInstanceUID for f in files)}


def test_every_object_says_that_it_is_for_research_and_by_which_weights(written):
    _, out, _ = written
    made = {name: dcmread(out / f"case7_{name}.dcm") for name in ("seg", "report", "entropy")}
    for one in made.values():
        assert "research use only" in one.SeriesDescription
        assert one.DeviceSerialNumber == "cd" * 8
    assert made["seg"].ContentQualification == made["entropy"].ContentQualification == "RESEARCH"
    report = made["report"]
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    texts = [item.TextValue for item in contents(report) if "TextValue" in item]
    assert any("not for diagnosis" in text for text in texts)
    assert any("cd" * 32 in text for text in texts)


def test_the_entropy_reads_back_in_bits_where_the_nifti_has_it(written):
    _, out, _ = written
    parametric = hd.imread(out / "case7_entropy.dcm")
    volume = parametric.get_volume(apply_real_world_transform=True)
    nifti = nib.load(out / "case7_entropy.nii.gz")
    mine = nib.Nifti1Image(volume.array, LPS_TO_RAS @ volume.affine)
    mine = nib.as_closest_canonical(mine)
    theirs = nib.as_closest_canonical(nifti)
    assert mine.affine == pytest.approx(theirs.affine, abs=1e-4)
    assert np.asarray(mine.dataobj) == pytest.approx(np.asarray(theirs.dataobj), abs=1e-5)


def test_a_case_without_a_finding_is_written_with_volumes_of_zero(tmp_path):
    files = write_series(tmp_path / "in")
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    out = write(tmp_path / "out", record, np.zeros(record.grid.shape, np.uint8))
    segmentation, label, _ = segments_of(out / "case7_seg.dcm")
    assert not label.any()
    assert len(segmentation.SegmentSequence) == len(DEFAULT_TASK.labels)
    assert set(volumes_in(dcmread(out / "case7_report.dcm")).values()) == {0.0}


def test_the_same_result_has_the_same_numbers_and_another_one_others(tmp_path):
    files = write_series(tmp_path / "in")
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    label = blocks(record.grid.shape)
    outs = [write(tmp_path / name, record, label) for name in ("one", "two")]
    outs.append(write(tmp_path / "three", record, np.roll(label, 1, 0)))
    for name in ("seg", "report"):
        one, two, three = (dcmread(out / f"case7_{name}.dcm") for out in outs)
        assert one.SOPInstanceUID == two.SOPInstanceUID != three.SOPInstanceUID
        assert one.SeriesInstanceUID == two.SeriesInstanceUID == three.SeriesInstanceUID


def test_the_patient_stands_in_the_dicom_files_and_nowhere_else(tmp_path, caplog, capsys):
    files = write_series(tmp_path / "in", PatientName="Öz^Jane", SpecificCharacterSet="ISO_IR 100")
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    out = write(tmp_path / "out", record, blocks(record.grid.shape))
    for name in ("seg", "report"):
        made = dcmread(out / f"case7_{name}.dcm")
        assert (str(made.PatientName), made.PatientID) == ("Öz^Jane", PATIENT_ID)
        assert made.PatientBirthDate == BIRTH_DATE
    said = json.dumps(json.loads((out / "case7.json").read_text()))
    said += caplog.text + "".join(capsys.readouterr())
    for secret in ("Jane", PATIENT_ID, BIRTH_DATE, "ACC9"):
        assert secret not in said


def test_a_series_without_names_can_be_written_on(tmp_path):
    files = write_series(tmp_path / "in")
    for file in files:
        image = dcmread(file)
        for name in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyID", "StudyTime"):
            delattr(image, name)
        image.PatientSex = "X"
        image.save_as(file)
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    out = write(tmp_path / "out", record, blocks(record.grid.shape))
    assert dcmread(out / "case7_seg.dcm").PatientID == ""


def remove_one(files):
    files[2].unlink()


def change_one(files):
    files[2].write_bytes(files[2].read_bytes()[:-2] + b"\1\1")


def break_one(files):
    files[2].write_bytes(b"no DICOM at all")


@pytest.mark.parametrize("spoil", [remove_one, change_one, break_one])
def test_a_series_that_is_gone_or_changed_is_said_in_a_sentence_without_its_path(tmp_path, spoil):
    files = write_series(tmp_path / NAME)
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    spoil(files)
    with pytest.raises(CaseError, match="Case case7, t1c: the images of its DICOM series") as error:
        write(tmp_path / "out", record, blocks(record.grid.shape))
    assert error.value.code == "E_DICOM_SOURCE"
    assert NAME not in str(error.value)
    assert not (tmp_path / "out" / "case7").exists()


def test_an_uneven_series_is_said_in_a_sentence(tmp_path):
    files = write_series(tmp_path / "in")
    image = dcmread(files[3])
    image.ImagePositionPatient[2] += 1
    image.save_as(files[3])
    record = prepared_record(files, grid_from_affine(SHAPE, affine_of(files)))
    with pytest.raises(CaseError, match="unevenly spaced"):
        write(tmp_path / "out", record, blocks(SHAPE))


def test_a_series_of_images_without_a_place_is_said_in_a_sentence(tmp_path):
    files = write_series(tmp_path / "in")
    grid = grid_from_affine(SHAPE, affine_of(files))
    for file in files:
        image = dcmread(file)
        del image.ImagePositionPatient
        image.save_as(file)
    with pytest.raises(CaseError, match="multi-frame or unplaced"):
        write(tmp_path / "out", prepared_record(files, grid, native=grid), blocks(SHAPE))


@pytest.mark.parametrize("option", ["dicom", "dicom_entropy"])
def test_a_case_that_was_not_read_from_dicom_is_refused_before_it_is_computed(tmp_path, option):
    files = write_series(tmp_path / "in")
    record = replace(prepared_record(files, turned_grid(affine_of(files), "RAS")), prepared=None)
    with pytest.raises(CaseError, match="not read from one") as error:
        writer(tmp_path / "out", **{option: True}).check(record)
    assert error.value.code == "E_DICOM_SOURCE"
    writer(tmp_path / "out").check(record)


def test_without_the_packages_dicom_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(SetupError, match=r'pip install -e "\.\[dicom\]"') as error:
        case_outputs("cd" * 32, dicom=True)
    assert error.value.code == "E_EXTRA"
    case_outputs("cd" * 32)


def test_a_run_without_dicom_removes_the_objects_of_the_run_before(tmp_path):
    files = write_series(tmp_path / "in")
    record = prepared_record(files, turned_grid(affine_of(files), "RAS"))
    out = write(tmp_path / "out", record, blocks(record.grid.shape), dicom_entropy=True)
    assert len(list(out.glob("*.dcm"))) == 3
    listed = json.loads((out / "case7.json").read_text())["companions"]
    assert set(listed) == {path.name for path in out.glob("*.dcm")}
    write(tmp_path / "out", record, blocks(record.grid.shape), dicom=False)
    assert list(out.glob("*.dcm")) == []


def test_segment_dicom_refuses_a_nifti_case_and_goes_on(tiny_settings, phantom_folder, tmp_path):
    settings = [
        f"--set={key}={json.dumps(value, default=str)}" for key, value in tiny_settings.items()
    ]
    words = ["segment", str(phantom_folder), "-o", str(tmp_path / "out"), "--dicom", *settings]
    words = [word for word in words if not word.startswith("--set=device_name")]
    assert CliRunner().invoke(app, words).exit_code == 1
    table = (tmp_path / "out" / "cases.csv").read_text()
    assert table.count("E_DICOM_SOURCE") == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("name", ["seg", "report", "entropy"])
@pytest.mark.parametrize("flags", [[], ["-new"]])
def test_the_validator_of_dicom_finds_no_error(written, name, flags):
    _, out, _ = written
    path = out / f"case7_{name}.dcm"
    said = subprocess.run(["dciodvfy", *flags, path], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr + said.stdout
    assert said.returncode == 0
