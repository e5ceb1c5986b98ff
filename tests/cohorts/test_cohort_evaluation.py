"""Judging networks and segmentations end to end, against what ``segment`` writes for the same
files.
"""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bundle.cohorts.cohort_evaluation import evaluate_network, evaluate_predictions
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import labelled_cases
from bundle.errors import OutputError, SetupError, UsageError
from bundle.evaluation.judged_run import read_scores
from bundle.names.file_names import find_images
from bundle.tasks.default import DEFAULT_TASK

REGIONS = DEFAULT_TASK.region_names


@pytest.fixture
def case_folder(phantom_folder, tmp_path):
    """Two cases; the second has no t2f."""
    shutil.copytree(phantom_folder, tmp_path / "cases")
    second = sorted((tmp_path / "cases").iterdir())[1]
    (second / f"{second.name}-t2f.nii.gz").unlink()
    return tmp_path / "cases"


@pytest.fixture(scope="module")
def judged(phantom_folder, tiny_settings, tmp_path_factory):
    """The report of two cases with all modalities."""
    out = tmp_path_factory.mktemp("judged")
    outcomes = evaluate_network(out, {**tiny_settings, "dataset_dir": phantom_folder})
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    return out


def read_regions(path) -> np.ndarray:
    return DEFAULT_TASK.labels_to_regions(
        np.asarray(nib.load(path).dataobj).astype(np.uint8)
    ).astype(bool)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", DEFAULT_TASK.modality_sets(), ids="+".join)
def test_every_set_is_judged_as_segment_segments_these_files(
    judged, phantom_folder, tiny_settings, tmp_path, chosen
):
    table = read_scores(judged)
    folder = min(phantom_folder.iterdir())
    images = find_images(folder, folder.name)
    case = {"case_id": folder.name, "image": {name: images[name] for name in chosen}}
    segment_cases([case], tmp_path, settings=tiny_settings)
    predicted = read_regions(tmp_path / folder.name / f"{folder.name}_seg.nii.gz")
    truth = read_regions(folder / f"{folder.name}-seg.nii.gz")
    row = table.values("dice", empty="one")[0, list(table.sets).index("+".join(chosen))]
    for index in range(len(REGIONS)):
        overlap = (
            2
            * (predicted[index] & truth[index]).sum()
            / (predicted[index].sum() + truth[index].sum())
        )
        assert row[index] == pytest.approx(overlap, abs=2e-3)


@pytest.mark.slow
def test_a_case_without_a_modality_is_judged_from_the_sets_that_it_has(
    case_folder, tiny_settings, tmp_path
):
    evaluate_network(tmp_path / "out", {**tiny_settings, "dataset_dir": case_folder})
    table = read_scores(tmp_path / "out")
    present = np.isfinite(table.values("dice", empty="one")).all(axis=2)
    assert present.sum(axis=1).tolist() == [15, 7]


@pytest.mark.slow
def test_a_case_that_fails_is_listed_and_the_rest_is_judged(case_folder, tiny_settings, tmp_path):
    first = min(case_folder.iterdir())
    (first / f"{first.name}-t1c.nii.gz").write_bytes(b"")
    outcomes = evaluate_network(tmp_path / "out", {**tiny_settings, "dataset_dir": case_folder})
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert "E_EMPTY" in (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8")
    assert len(read_scores(tmp_path / "out").cases) == 1


def test_when_no_case_can_be_judged_the_reason_is_given_and_no_report_is_written(
    case_folder, tiny_settings, tmp_path
):
    for folder in case_folder.iterdir():
        (folder / f"{folder.name}-t1c.nii.gz").write_bytes(b"")
    with pytest.raises(UsageError, match="E_EMPTY") as caught:
        evaluate_network(tmp_path / "out", {**tiny_settings, "dataset_dir": case_folder})
    assert caught.value.code == "E_NO_SCORES"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cases.csv"}


def test_weights_that_are_none_are_refused_before_any_case(case_folder, tiny_settings, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"no weights")
    with pytest.raises(SetupError, match=r"model\.pt"):
        evaluate_network(
            tmp_path / "out",
            {**tiny_settings, "dataset_dir": case_folder, "checkpoint": tmp_path / "model.pt"},
        )


def test_a_folder_that_cannot_be_written_is_refused_before_any_case(
    case_folder, tiny_settings, tmp_path
):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError):
        evaluate_network(tmp_path / "out", {**tiny_settings, "dataset_dir": case_folder})


@pytest.mark.slow
def test_what_segment_writes_is_judged_as_the_network_that_wrote_it(
    judged, phantom_folder, tiny_settings, tmp_path
):
    cases = labelled_cases(phantom_folder)
    images = [{"case_id": case["case_id"], "image": case["image"]} for case in cases]
    segment_cases(images, tmp_path / "segmented", settings=tiny_settings)
    outcomes = evaluate_predictions(cases, tmp_path / "segmented", tmp_path / "out")
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    given, known = (read_scores(out) for out in (tmp_path / "out", judged))
    assert list(given.sets) == ["given"]
    for metric in ("dice", "volume_error_ml"):
        found, expected = (table.values(metric, empty="one")[:, -1] for table in (given, known))
        assert found == pytest.approx(expected, abs=2e-3)


def test_the_truth_as_a_prediction_is_perfect_in_any_declared_numbering(phantom_folder, tmp_path):
    (tmp_path / "theirs").mkdir()
    for case in labelled_cases(phantom_folder):
        image = nib.load(case["label"])
        values = np.asarray(image.dataobj).astype(np.uint8)
        values[values == 3] = 4
        nib.save(
            nib.Nifti1Image(values, image.affine, image.header),
            tmp_path / "theirs" / f"{case['case_id']}.nii.gz",
        )
    evaluate_predictions(
        labelled_cases(phantom_folder),
        tmp_path / "theirs",
        tmp_path / "out",
        numbering="brats2021",
    )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert {summary["means"]["dice"]["given"][region]["mean"] for region in REGIONS} == {1.0}
    assert {summary["means"]["hd95_mm"]["given"][region]["mean"] for region in REGIONS} == {0.0}


def test_a_missing_prediction_and_one_on_another_grid_fail_alone(phantom_folder, tmp_path):
    (tmp_path / "theirs").mkdir()
    first, second = labelled_cases(phantom_folder)
    image = nib.load(first["label"])
    nib.save(image.slicer[1:], tmp_path / "theirs" / f"{first['case_id']}.nii.gz")
    with pytest.raises(UsageError, match="E_GRID"):
        evaluate_predictions([first, second], tmp_path / "theirs", tmp_path / "out")
    shutil.copy(second["label"], tmp_path / "theirs" / f"{second['case_id']}.nii.gz")
    outcomes = evaluate_predictions([first, second], tmp_path / "theirs", tmp_path / "out")
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]


@pytest.mark.slow
def test_the_config_runs_as_a_bundle(phantom_folder, tiny_settings, tmp_path):
    parser = load_config(
        "evaluate.yaml",
        {**tiny_settings, "dataset_dir": phantom_folder, "output_dir": tmp_path / "out"},
    )
    parser.get_parsed_content("run")
    assert (tmp_path / "out" / "report.md").is_file()
    assert parser.get_parsed_content("network").modalities == DEFAULT_TASK.modality_names
