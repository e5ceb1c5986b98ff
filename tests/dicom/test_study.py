"""A study becomes one image per modality, on the grid that its headers say."""

import json
import os
import sys

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import pytest

from bundle.cases.prepared_exam import DicomSource
from bundle.dicom import conversion
from bundle.dicom.converted_voxels import differing_slice
from bundle.dicom.study import find_series, read_study
from bundle.errors import CaseError, SetupError
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine, orientation_to
from bundle.volumes.image_volume import read_volume
from tests.dicom.studies import PERSONAL, changed, copied, files_of

MODALITIES = DEFAULT_TASK.modality_names
WORDS = {"t1n": "mprage_sag", "t1c": "_KM", "t2w": "t2_tse", "t2f": "tirm"}


@pytest.fixture(scope="module")
def images(whole, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return read_study(whole, work, task=DEFAULT_TASK, case_id="case")


def world_to_value(header):
    """Return a function from RAS mm to a pixel's value of one slice, by the standard's equation."""
    row, column = np.split(np.array(header.ImageOrientationPatient, float), 2)
    start = np.array(header.ImagePositionPatient, float)
    step_down, step_right = map(float, header.PixelSpacing)
    values = header.pixel_array * float(header.get("RescaleSlope", 1))
    return lambda i, j: (start + row * step_right * i + column * step_down * j, values[j, i])


def test_each_modality_is_read_from_its_series(images, whole):
    assert tuple(images.files) == MODALITIES
    for modality, words in WORDS.items():
        source = images.sources[modality]
        assert isinstance(source, DicomSource)
        assert {os.fspath(path) for path in files_of(whole, words)} == set(source.files)
        assert words in source.description
    assert images.warnings == ()
    assert len(images.others) == 4
    assert sum("localiser" in text for text in images.others) == 3


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_voxel_lies_where_its_dicom_header_says_and_has_its_value(images, modality):
    """The centre of pixel (i, j) of each file, by part 3 of the standard, C.7.6.2.1.1."""
    volume = read_volume(images.files[modality], case_id="case", modality=modality)
    files = images.sources[modality].files
    assert volume.data.shape[2] == len(files)
    to_voxel = np.linalg.inv(volume.grid.affine)
    for index in (0, len(files) // 2, len(files) - 1):
        place_of = world_to_value(pydicom.dcmread(files[index]))
        for i, j in ((0, 0), (7, 3), (20, 25)):
            (x, y, z), value = place_of(i, j)
            voxel = to_voxel @ (-x, -y, z, 1)
            assert np.abs(voxel - np.rint(voxel)).max() < 0.01
            assert int(np.rint(voxel[2])) == index
            a, b, c = np.rint(voxel[:3]).astype(int)
            assert volume.data[a, b, c] == pytest.approx(value, abs=1e-3)


def test_the_four_grids_differ_and_the_truth_lies_on_the_one_with_contrast_agent(images, drawn):
    grids = {m: read_volume(images.files[m], case_id="c", modality=m).grid for m in MODALITIES}
    assert len({grid.shape for grid in grids.values()}) == 4
    label = nib.load(drawn / "truth" / "phantom-00001-000-seg.nii.gz")
    to_label = np.linalg.inv(label.affine) @ grids["t1c"].affine
    assert np.allclose(np.abs(to_label[:3, :3]), np.eye(3), atol=1e-5)
    corner = to_label @ [*(np.array(grids["t1c"].shape) - 1), 1]
    assert {*np.rint(corner[:3])} <= {0, *(np.array(label.shape) - 1)}


def test_the_known_motion_brings_the_moved_scan_back_onto_the_others(images, drawn):
    """Voxels of the head in one scan, moved by what is known, lie in the head of the other."""
    motions = json.loads((drawn / "truth" / "phantom-00001-000-motions.json").read_text())
    assert {m: motions[m]["series_uid"] for m in MODALITIES} == {
        m: images.sources[m].series_uid for m in MODALITIES
    }
    fixed = read_volume(images.files["t1c"], case_id="c", modality="t1c")
    moved = read_volume(images.files["t2f"], case_id="c", modality="t2f")
    head = fixed.data > 0.2 * np.percentile(fixed.data, 99)

    def share_in_head(motion):
        bright = np.argwhere(moved.data > 0.35 * np.percentile(moved.data, 99))
        world = np.linalg.inv(fixed.grid.affine) @ motion @ moved.grid.affine
        there = np.rint(bright @ world[:3, :3].T + world[:3, 3]).astype(int)
        inside = ((there >= 0) & (there < head.shape)).all(axis=1)
        return head[tuple(there[inside].T)].mean()

    known = np.array(motions["t2f"]["moved_by"])
    assert not np.allclose(known, np.eye(4), atol=0.01)
    assert share_in_head(known) > share_in_head(np.eye(4)) + 0.03


@pytest.mark.parametrize("syntax", ["RLELossless", "ImplicitVRLittleEndian"])
def test_other_transfer_syntaxes_give_the_same_image(study, images, tmp_path, syntax):
    uid = getattr(pydicom.uid, syntax)

    def change(image):
        if uid.is_encapsulated:
            image.compress(uid)
        else:
            image.file_meta.TransferSyntaxUID = uid

    changed(study, "t2_tse", change)
    read = read_study(study, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    again, first = (nib.load(one.files["t2w"]) for one in (read, images))
    assert np.array_equal(again.get_fdata(), first.get_fdata())
    assert np.array_equal(again.affine, first.affine)


def test_files_of_other_kinds_hidden_ones_and_links_do_not_matter(study, images, tmp_path):
    (study / "README.txt").write_text("x")
    (study / "DICOM.nii.gz").write_bytes(b"\x1f\x8b")
    (study / ".DS_Store").write_bytes(b"\0" * 200)
    (study / "empty").write_bytes(b"")
    (study / "loop").symlink_to(study)
    read = read_study(study, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    assert tuple(read.files) == MODALITIES


def test_an_absent_modality_is_absent(study, tmp_path):
    for path in files_of(study, "t2_tse"):
        path.unlink()
    read = read_study(study, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    assert tuple(read.files) == ("t1n", "t1c", "t2f")


def test_nothing_that_is_made_of_a_study_names_the_patient(study, tmp_path):
    """The description does here, as it does when somebody types a name into it."""
    changed(
        study, "t2_tse", lambda image: setattr(image, "SeriesDescription", "t2 tse DRAWNPERSON")
    )
    work = tmp_path / "work"
    read = read_study(study, work, task=DEFAULT_TASK, case_id="case")
    texts = [path.name.encode() for path in work.rglob("*")]
    texts += [nib.load(path).header.binaryblock for path in read.files.values()]
    texts += [*map(str.encode, read.warnings + read.others)]
    for source in read.sources.values():
        texts += [source.description.encode(), *map(str.encode, source.evidence)]
    assert read.sources["t2w"].description == "t2 tse ..."
    for text in texts:
        for word in PERSONAL:
            assert word.lower().encode() not in text.lower()


def test_files_of_a_name_that_is_the_patients_are_not_told(study, tmp_path, capfd):
    copy = copied(study, tmp_path / "Drawnperson")
    read = read_study(copy, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    assert "drawnperson" not in "".join(read.warnings + read.others).lower()
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_a_converter_that_is_not_installed_is_named_with_its_extra(whole, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r'"\.\[dicom\]"') as caught:
        read_study(whole, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    assert caught.value.code == "E_EXTRA"


def a_converter(folder, body):
    """Put a program of the converter's name into a folder; the real one's path is $REAL."""
    program = folder / "dcm2niix"
    program.write_text(f"#!/bin/sh\nREAL={dcm2niix.bin}\n{body}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 1", "exit status 1 of dcm2niix"),
        ("exec sleep 30", "no end after 0.5 s"),
        ('for a in "$@"; do in=$a; done; rm "$in/000000.dcm"; exec $REAL "$@"', "a grid of"),
    ],
)
def test_a_converter_that_fails_never_ends_or_loses_slices_is_not_believed(
    study, tmp_path, monkeypatch, body, words
):
    """The third one converts what is left after the first file is taken away."""
    monkeypatch.setattr(dcm2niix, "bin", a_converter(tmp_path, body))
    if "sleep" in body:
        monkeypatch.setattr(conversion, "TIMEOUT_S", 0.5)
    with pytest.raises(CaseError, match=words) as caught:
        read_study(study, tmp_path / "work", task=DEFAULT_TASK, case_id="case")
    assert caught.value.code == "E_CONVERSION"
    assert not list((tmp_path / "work").rglob("*.nii.gz"))


def test_voxels_that_differ_from_the_files_are_seen(images, whole):
    """As if the converter had forgotten a slope, or turned the rows over."""
    known = find_series(whole, task=DEFAULT_TASK, case_id="case")
    chosen = known.choice.chosen["t2w"]
    image = nib.load(images.files["t2w"])
    turn = orientation_to(
        grid_from_affine(image.shape, image.affine),
        grid_from_affine(chosen.stack.shape, chosen.stack.affine),
    )
    data = np.asanyarray(image.dataobj)
    assert differing_slice(data, turn, chosen.stack) is None
    assert differing_slice(data / 0.5, turn, chosen.stack) is not None
    assert differing_slice(data[:, ::-1], turn, chosen.stack) is not None
    assert differing_slice(data[:, :, ::-1], turn, chosen.stack) is not None


def test_what_was_computed_later_was_not_measured_later(study):
    """A native T1 that is reformatted after the injection has another SeriesTime."""

    def reformat(image):
        image.ImageType = ["DERIVED", "SECONDARY", "MPR"]
        image.SeriesTime = "235959"
        del image.AcquisitionTime

    changed(study, "mprage_sag", reformat)
    known = find_series(study, task=DEFAULT_TASK, case_id="case")
    (native,) = (one for one in known.series if "mprage_sag" in one.title)
    assert native.time == ""
    assert "t1n" not in known.choice.chosen
    assert known.choice.chosen["t1c"].series.first.number == 6
