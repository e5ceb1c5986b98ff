"""From an archive to a viewer, with nothing but real parts: Orthanc, dcm2niix, the shipped weights, OHIF."""

import json
import os
import shutil
import sys
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest

from bundle.tasks.default import DEFAULT_TASK
from tests.dicom.studies import PERSONAL
from tests.pacs.orthanc import PLACES, can_run, run_beside

SIMMLM = [sys.executable, "-m", "bundle.cli"]
ROOT = Path(__file__).resolve().parents[2]
VIEWER = os.environ.get("SIMMLM_OHIF", "")
PORT = 3000

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not can_run(), reason="needs Orthanc and a network namespace"),
]
NEEDS_VIEWER = pytest.mark.skipif(
    not (VIEWER and shutil.which("chromium") and shutil.which("node")),
    reason="needs node, chromium, and OHIF's dist folder in SIMMLM_OHIF",
)


def study_uid(folder: Path) -> str:
    file = next(path for path in folder.rglob("*") if path.is_file())
    return pydicom.dcmread(file, stop_before_pixels=True).StudyInstanceUID


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A drawn study goes into an archive, comes out, and its result goes in and comes out again."""
    folder = tmp_path_factory.mktemp("clinic")
    run = [*SIMMLM, "phantom", str(folder / "drawn"), "--dicom", "--cases", "1", "--seed", "6"]
    orthanc = folder / "orthanc"
    (drawn,) = run_beside(orthanc, [run])
    assert drawn[0] == 0, drawn
    uid = study_uid(folder / "drawn" / "phantom-00001-000")
    out = folder / "out"
    commands = [
        [*SIMMLM, "send", str(folder / "drawn" / "phantom-00001-000"), "--to", "{archive}"],
        [*SIMMLM, "fetch", uid, "--from", "{archive}", "-o", str(folder / "study")],
        [*SIMMLM, "segment", str(folder / "study"), "-o", str(out), "--case-id", "exam", "--dicom",
         "--on", "t2w"],
        [*SIMMLM, "send", str(out), "--to", "{dimse}"],
        [*SIMMLM, "fetch", uid, "--from", "{dimse}", "-o", str(folder / "back")],
    ]  # fmt: skip
    if VIEWER and shutil.which("chromium"):
        page = f"http://127.0.0.1:{PORT}/viewer?StudyInstanceUIDs={uid}"
        commands.append(["bash", "-c", _looking(page, out / "exam" / "exam_seg.dcm", folder)])
    outcomes = run_beside(orthanc, commands, limit_s=900)
    assert [status for status, _ in outcomes] == [0] * len(commands), outcomes
    return folder, [text for _, text in outcomes]


def _looking(page: str, seg: Path, folder: Path) -> str:
    """Return a command that opens the segmentation in the viewer, once it is there."""
    read = f"import pydicom; print(pydicom.dcmread({str(seg)!r}).SeriesInstanceUID)"
    colour = ",".join(map(str, _colour(DEFAULT_TASK.labels[1].colour)))
    return (
        f"series=$({sys.executable} -c {json.dumps(read)}) &&"
        f" {{ {sys.executable} -m tests.pacs.viewer {VIEWER} {PLACES['archive'].partition('/dicom')[0]}"
        f" {PORT} & viewer=$!; sleep 2; node --experimental-websocket tests/browser/ohif.mjs"
        f' "{page}&initialSeriesInstanceUID=$series" {folder}/ohif.png {colour} 240;'
        " status=$?; kill $viewer; exit $status; }"
    )


def _colour(text: str) -> list[int]:
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


def test_the_study_comes_out_of_the_archive_as_it_went_in(chain):
    folder, _ = chain
    sent = [p for p in (folder / "drawn" / "phantom-00001-000").rglob("*") if p.is_file()]
    assert len(list((folder / "study").rglob("*.dcm"))) == len(sent)


def test_the_displaced_scan_was_brought_back(chain):
    folder, _ = chain
    facts = json.loads((folder / "out" / "exam" / "exam.json").read_text())["prepared"]
    truth = json.loads((folder / "drawn" / "truth" / "phantom-00001-000-motions.json").read_text())
    assert set(facts["modalities"]) == set(DEFAULT_TASK.modality_names)
    assert all(
        scan["file"].startswith("DICOM series 1.2.") for scan in facts["modalities"].values()
    )
    for modality, scan in facts["modalities"].items():
        found, known = np.array(scan["moved_by"]), np.array(truth[modality]["moved_by"])
        corners = np.array([[x, y, z, 1] for x in (-60, 60) for y in (-70, 70) for z in (-40, 60)])
        assert np.linalg.norm(corners @ (found - known).T, axis=1).mean() < 1.5, modality


def test_the_segmentation_comes_out_of_the_archive_and_lies_on_the_nifti(chain):
    folder, _ = chain
    objects = [pydicom.dcmread(path) for path in (folder / "back").rglob("*.dcm")]
    (back,) = [one for one in objects if one.Modality == "SEG"]
    assert [one.Modality for one in objects].count("SR") == 1
    seg = hd.seg.Segmentation.from_dataset(back)
    volume = seg.get_volume(combine_segments=True)
    image = nib.load(folder / "out" / "exam" / "exam_seg.nii.gz")
    label = np.asarray(image.dataobj)
    found = np.argwhere(volume.array > 0).mean(axis=0)
    centre = (volume.affine @ [*found, 1])[:3] * [-1, -1, 1]
    expected = (image.affine @ [*np.argwhere(label > 0).mean(axis=0), 1])[:3]
    assert np.abs(centre - expected).max() < 0.01
    assert int((volume.array > 0).sum()) == int((label > 0).sum())


def test_nobodys_name_is_in_a_file_name_a_message_or_a_fact(chain):
    folder, texts = chain
    out = folder / "out"
    said = [*texts, *(str(path.relative_to(out)) for path in out.rglob("*"))]
    said += [p.read_text(errors="replace") for p in out.rglob("*") if p.suffix in (".json", ".csv")]
    assert not [word for word in PERSONAL for text in said if word in text]


@pytest.mark.browser
@NEEDS_VIEWER
def test_the_viewer_shows_the_segmentation_in_its_colour(chain):
    folder, texts = chain
    seen = json.loads(texts[-1].splitlines()[-1])
    assert seen["pixels"] > 100, seen["text"]
    assert (seen["errors"], seen["left"]) == ([], [])
    assert "SEG" in seen["text"]
    assert (folder / "ohif.png").stat().st_size > 10_000
