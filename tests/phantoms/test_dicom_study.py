"""A drawn study is what a scanner would have written, and what is known of it is true."""

import dataclasses
import json
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pydicom
import pytest

from bundle.errors import SetupError, UsageError
from bundle.phantoms.dicom_plan import read_study_plan
from bundle.phantoms.dicom_stack import stacks_of
from bundle.phantoms.dicom_study import write_studies
from bundle.phantoms.head import draw_head
from bundle.phantoms.phantom_cases import draw_phantom
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task_file import load_task

SMALL = (32, 37, 34)
NAME = "phantom-00001-000"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_studies(folder, n_cases=2, seed=5, shape=SMALL)
    return folder


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def headers(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return [pydicom.dcmread(path) for path in sorted(files)]


def test_the_same_seed_writes_the_same_bytes_and_a_longer_run_extends_a_shorter_one(
    drawn, tmp_path
):
    write_studies(tmp_path, n_cases=1, seed=5, shape=SMALL)
    again, first = contents(tmp_path), contents(drawn)
    assert again == {name: first[name] for name in again}
    assert len(first) > len(again)


def test_names_of_files_say_nothing_and_folders_are_nested(drawn):
    for path in (path for path in (drawn / NAME).rglob("*") if path.is_file()):
        assert all(
            set(part) <= set("0123456789ABCDEF") for part in path.relative_to(drawn / NAME).parts
        )
        assert len(path.relative_to(drawn / NAME).parts) == 3


def test_two_cases_share_no_identifier(drawn):
    first, second = (headers(drawn / f"phantom-0000{n}-000") for n in (1, 2))
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        own = {image.get(keyword) for image in first}
        assert not own & {image.get(keyword) for image in second}
    assert len({image.SOPInstanceUID for image in first}) == len(first)
    assert len({image.StudyInstanceUID for image in first}) == 1
    assert len({image.FrameOfReferenceUID for image in first}) == 1


def test_slices_are_numbered_from_the_last_to_the_first(drawn):
    images = [one for one in headers(drawn / NAME) if "_KM" in one.SeriesDescription]
    images.sort(key=lambda one: one.InstanceNumber)
    places = [float(one.ImagePositionPatient[2]) for one in images]
    assert places == sorted(places, reverse=True)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools are not installed")
def test_every_series_is_valid_by_dciodvfy(drawn):
    seen = set()
    for path in sorted(path for path in (drawn / NAME).rglob("*") if path.is_file()):
        uid = pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID
        if uid not in seen:
            seen.add(uid)
            run = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
            assert [line for line in run.stderr.splitlines() if line.startswith("Error")] == []
    assert len(seen) == 6


def test_a_head_has_a_dark_skull_and_a_bright_scalp_and_keeps_the_brain_as_it_is():
    phantom = draw_phantom((5, 1), (48, 56, 41))
    plan = read_study_plan(DEFAULT_TASK)
    head = draw_head(phantom, plan.head, np.random.default_rng(0))
    image, brain = head.images["t1n"], phantom.images["t1n"]
    margin = (image.shape[0] - brain.shape[0]) // 2
    inner = image[margin:-margin, margin:-margin, : brain.shape[2]]
    assert np.array_equal(inner[brain > 0], brain[brain > 0])
    middle, height = image.shape[1] // 2, brain.shape[2] // 2
    row = image[:, middle, height] / brain[brain > 0].mean()
    first = int(np.argmax(row > 0.8))
    start = margin + int(np.argmax(brain[:, middle - margin, height] > 0))
    assert row[: first - 1].max() < 0.2  # air
    assert row[first:start].min() < 0.4  # skull
    assert row[first : first + 3].max() > 1.2  # scalp
    world = head.affine @ (margin, margin, 0, 1)
    assert np.allclose(world, phantom.affine @ (0, 0, 0, 1))


def test_the_head_keeps_off_all_sides_but_the_neck():
    head = draw_head(
        draw_phantom((5, 1), SMALL), read_study_plan(DEFAULT_TASK).head, np.random.default_rng(0)
    )
    image = head.images["t1n"]
    bright = image > 0.5 * np.percentile(image, 99)
    for face in (bright[0], bright[-1], bright[:, 0], bright[:, -1], bright[:, :, -1]):
        assert not face.any()
    assert bright[:, :, 0].any()


def test_the_truth_is_the_label_of_the_phantom_in_its_place(drawn):
    label = nib.load(drawn / "truth" / f"{NAME}-seg.nii.gz")
    phantom = draw_phantom((5, 1), SMALL)
    values = DEFAULT_TASK.default_numbering.write(phantom.label)
    found, wanted = np.asarray(label.dataobj), np.argwhere(values)
    assert (found > 0).sum() == len(wanted)
    to_label = np.linalg.inv(label.affine) @ phantom.affine
    there = np.rint(wanted @ to_label[:3, :3].T + to_label[:3, 3]).astype(int)
    assert np.array_equal(found[tuple(there.T)], values[tuple(wanted.T)])


def test_motions_are_rigid_and_only_one_scan_moved_by_what_the_task_declares(drawn):
    motions = json.loads((drawn / "truth" / f"{NAME}-motions.json").read_text())
    assert set(motions) == set(DEFAULT_TASK.modality_names)
    for modality, known in motions.items():
        motion = np.array(known["moved_by"])
        assert np.allclose(motion[:3, :3] @ motion[:3, :3].T, np.eye(3))
        degrees = np.degrees(np.arccos(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1)))
        assert degrees == pytest.approx(4 if modality == "t2f" else 0, abs=1e-5)


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_a_stack_covers_the_head_around_its_middle(plane):
    series = dataclasses.replace(
        read_study_plan(DEFAULT_TASK).series[1],
        planes=(plane,),
        tilted_deg=7.0,
        spacing_mm=(1.0, 1.5, 4.0),
    )
    shape, affine = (40, 50, 30), np.diag((-1.0, -1.0, 1.0, 1.0))
    ((_, stack),) = stacks_of(series, shape, affine)
    corners = [affine @ (x, y, z, 1) for x in (0, 39) for y in (0, 49) for z in (0, 29)]
    voxels = np.array([np.linalg.inv(stack.ras_affine) @ corner for corner in corners])[:, :3]
    assert (voxels > -0.5).all()
    assert (voxels < np.array(stack.shape) - 0.5).all()
    assert np.linalg.norm(stack.affine[:3, :3], axis=0) == pytest.approx((1.0, 1.5, 4.0))


@pytest.mark.parametrize("wrong", [{"n_cases": 0}, {"seed": -1}])
def test_a_request_that_cannot_be_met_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(UsageError, match="must be at least 1, of a seed of at least 0"):
        write_studies(tmp_path / "new", **{"n_cases": 1, "seed": 0, "shape": SMALL} | wrong)
    assert not (tmp_path / "new").exists()


def spoiled(path, value):
    """Return the task with one entry of phantom.dicom replaced."""
    phantom = json.loads(json.dumps(DEFAULT_TASK.phantom))
    place = phantom["dicom"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dataclasses.replace(DEFAULT_TASK, phantom=phantom)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("series", 0, "of"), "pet", r"series\[0\].of must be one of t1n"),
        (("series", 0, "planes"), ["oblique"], r"planes must be among axial"),
        (("series", 1, "spacing_mm"), [1, 2], "spacing_mm must be three numbers"),
        (("series", 1, "spacing_mm"), [1, 2, 0], "must be a number from 0.1"),
        (("series", 5, "label"), False, "must have one with label: true"),
        (("head", "bone"), {"mm": 3}, "must have mm, signals"),
        (("series", 1, "colour"), "red", "also colour"),
    ],
)
def test_what_is_wrong_in_the_declaration_is_named(path, value, words):
    with pytest.raises(SetupError, match=words) as caught:
        read_study_plan(spoiled(path, value))
    assert caught.value.code == "E_TASK"


def test_a_task_that_declares_no_study_has_none():
    with pytest.raises(UsageError, match=r"must declare phantom\.dicom"):
        read_study_plan(load_task("ms_lesions"))
