"""`simmlm reference` learns how exams look, and inference warns of others."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bundle.names.file_names import find_images
from tests.test_bad_input import call, options


@pytest.fixture
def exams(phantom_folder, tmp_path):
    """Seven exams that differ a little, and a file that is none."""
    source = sorted(phantom_folder.iterdir())[0]
    for number in range(7):
        folder = tmp_path / "exams" / f"exam{number}"
        folder.mkdir(parents=True)
        for modality, path in find_images(source, source.name).items():
            image = nib.load(path)
            voxels = np.asarray(image.dataobj, np.float32)
            voxels = np.where(voxels != 0, voxels * (1 + 0.1 * number) + number, 0)
            changed = nib.Nifti1Image(voxels, image.affine)
            changed.header.set_xyzt_units("mm")
            nib.save(changed, folder / f"exam{number}-{modality}.nii.gz")
    return tmp_path / "exams"


def warned(exam, weights, tiny_settings, out):
    settings = {**tiny_settings, "checkpoint": weights}
    result = call("segment", exam, "-o", out, *options(settings))
    assert result.exit_code == 0, result.output
    facts = json.loads((out / exam.name / f"{exam.name}.json").read_text(encoding="utf-8"))
    return [text for text in facts["warnings"] if "of the reference" in text]


def test_a_reference_is_learnt_and_exchanged_names_are_said(
    exams, weights, tiny_settings, tmp_path
):
    (exams / "exam6" / "exam6-t1c.nii.gz").write_bytes(b"no image")
    learnt = call("reference", exams, "--checkpoint", weights)
    assert learnt.exit_code == 0, learnt.output
    assert "6 exams, each judged by the others" in learnt.output
    assert (tmp_path / "model.reference.json").is_file()
    good = exams / "exam1"
    assert warned(good, weights, tiny_settings, tmp_path / "good") == []
    one, other = (good / f"exam1-{name}.nii.gz" for name in ("t1n", "t2w"))
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    (said,) = [
        text
        for text in warned(good, weights, tiny_settings, tmp_path / "swapped")
        if "names" in text
    ]
    assert said.startswith("t1n looks like t2w, t2w looks like t1n")


def test_too_few_exams_are_refused(exams, weights, tmp_path):
    for number in range(5):
        shutil.rmtree(exams / f"exam{number}")
    refused = call("reference", exams, "--checkpoint", weights)
    assert refused.exit_code == 78
    assert "E_REFERENCE: A reference must be learnt from more than 5 exams; got 2" in refused.stderr
    assert not (tmp_path / "model.reference.json").exists()
