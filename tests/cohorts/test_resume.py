"""The same command again does what is not done, and nothing else."""

import json
import shutil

import pytest

from bundle.cohorts.cohort_preparation import prepare_cases
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import list_cases
from bundle.outputs.run_files import FAILED, OK, SKIPPED
from bundle.preparing.options import PrepareOptions
from bundle.tasks.default import DEFAULT_TASK
from tests.cohorts.test_runner import write_cases
from tests.volumes.nifti_samples import save, scan


@pytest.fixture
def segment(tiny_settings, tmp_path):
    """Segments the cases of a folder, and returns what became of each."""

    def run(options=None, **settings):
        outcomes = segment_cases(
            list_cases(tmp_path / "data"),
            tmp_path / "out",
            settings={**tiny_settings, **settings},
            prepare=options,
        )
        return {outcome.case_id: outcome.status for outcome in outcomes}

    return run


def facts_of(tmp_path, name):
    return json.loads((tmp_path / "out" / name / f"{name}.json").read_text())


def change_seed(tmp_path, name):
    save(tmp_path / "data" / name / f"{name}-t2w.nii.gz", data=scan(seed=77))


def test_what_is_done_stays_and_the_table_has_it_as_before(segment, tmp_path):
    write_cases(tmp_path / "data", "ab")
    assert segment() == {"a": OK, "b": OK}
    before = (tmp_path / "out" / "cases.csv").read_text()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
    assert segment() == {"a": SKIPPED, "b": SKIPPED}
    assert {path: path.stat().st_mtime_ns for path in times} == times
    after = (tmp_path / "out" / "cases.csv").read_text()
    assert after == before.replace(",ok,,", ",skipped,done by an earlier run,")
    assert segment(again=True) == {"a": OK, "b": OK}


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: (out / "a_seg.nii.gz").unlink(),
        lambda out: (out / "a_weight-t2w.nii.gz").unlink(),
        lambda out: (out / ".simmlm.unfinished").write_text("[]"),
        shutil.rmtree,
    ],
    ids=["map", "weights", "unfinished", "all"],
)
def test_a_result_that_is_not_whole_is_made_again(segment, tmp_path, damage):
    write_cases(tmp_path / "data", "ab")
    segment()
    whole = {path.name for path in (tmp_path / "out" / "a").iterdir()}
    damage(tmp_path / "out" / "a")
    assert segment() == {"a": OK, "b": SKIPPED}
    assert {path.name for path in (tmp_path / "out" / "a").iterdir()} == whole


def test_files_that_no_json_calls_results_are_not_replaced(segment, tmp_path):
    write_cases(tmp_path / "data", "ab")
    segment()
    (tmp_path / "out" / "a" / "a.json").write_text("{}")
    assert segment() == {"a": FAILED, "b": SKIPPED}


@pytest.mark.parametrize(
    "settings",
    [{"overlap": 0.5}, {"label_convention": "brats2021"}, {"preview": True}, {"amp": True}],
    ids=str,
)
def test_other_settings_are_another_run(segment, tmp_path, settings):
    write_cases(tmp_path / "data", "a")
    segment()
    before = facts_of(tmp_path, "a")["run"]
    assert segment(**settings) == {"a": OK}
    assert facts_of(tmp_path, "a")["run"] != before


@pytest.mark.parametrize("settings", [{"retries": 2}, {"sw_batch_size": 2}, {"overwrite": True}])
def test_settings_that_change_no_result_are_the_same_run(segment, tmp_path, settings):
    write_cases(tmp_path / "data", "a")
    segment()
    assert segment(**settings) == {"a": SKIPPED}


def test_other_bytes_of_an_image_are_another_case_and_replace_nothing_unasked(segment, tmp_path):
    write_cases(tmp_path / "data", "ab")
    segment()
    change_seed(tmp_path, "a")
    assert segment() == {"a": FAILED, "b": SKIPPED}
    assert segment(overwrite=True) == {"a": OK, "b": SKIPPED}


def test_an_image_more_is_another_case(segment, tmp_path):
    write_cases(tmp_path / "data", "a")
    segment()
    save(tmp_path / "data" / "a" / "a-t1c.nii.gz", data=scan(seed=5))
    assert segment() == {"a": OK}
    assert facts_of(tmp_path, "a")["modalities"] == ["t1c", "t2w"]


def test_the_same_images_elsewhere_are_the_same_case(segment, tmp_path):
    write_cases(tmp_path / "data", "a")
    segment()
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "data")
    assert segment() == {"a": SKIPPED}


def test_other_weights_of_the_same_name_are_another_run(segment, tiny_settings, tmp_path):
    write_cases(tmp_path / "data", "a")
    folder = tmp_path / "weights"
    shutil.copytree(tiny_settings["checkpoint"].parent, folder)
    segment(checkpoint=folder / "model.pt")
    assert segment(checkpoint=tiny_settings["checkpoint"]) == {"a": SKIPPED}  # the same bytes
    import torch

    from bundle.configuration import load_config
    from bundle.weights.checkpoints import export_weights

    torch.manual_seed(2)
    network = load_config("inference.yaml", tiny_settings).get_parsed_content("network_def")
    torch.save(network.state_dict(), folder / "tiny.pt")
    export_weights(network, folder / "tiny.pt", folder / "model.pt")
    assert segment(checkpoint=folder / "model.pt") == {"a": OK}


def test_a_case_in_the_data_set_that_lost_its_files_there_is_made_again(segment, tmp_path):
    write_cases(tmp_path / "data", "ab")
    assert segment(bids=True) == {"a": OK, "b": OK}
    shutil.rmtree(tmp_path / "out" / "bids" / "sub-a")
    assert segment(bids=True) == {"a": OK, "b": SKIPPED}
    assert (tmp_path / "out" / "bids" / "sub-a").is_dir()


@pytest.mark.slow
def test_a_prepared_exam_is_not_prepared_again_unless_it_changed(phantom_folder, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for case in sorted(phantom_folder.iterdir())[:2]:
        shutil.copytree(case, data / case.name)
    one, two = sorted(path.name for path in data.iterdir())

    def prepare(options=PrepareOptions()):  # noqa: B008
        outcomes = prepare_cases(list_cases(data), out, options, task=DEFAULT_TASK)
        return [outcome.status for outcome in outcomes]

    assert prepare() == [OK, OK]
    assert prepare() == [SKIPPED, SKIPPED]
    (out / two / f"{two}-t2w.nii.gz").write_bytes(b"")
    assert prepare() == [SKIPPED, OK]
    (data / one / f"{one}-t1n.nii.gz").unlink()
    assert prepare() == [OK, SKIPPED]
    assert not (out / one / f"{one}-t1n.nii.gz").exists()
    assert prepare(PrepareOptions(reference="t2w")) == [OK, OK]


@pytest.mark.slow
def test_an_exam_that_was_prepared_is_segmented_from_that(
    segment, phantom_folder, tmp_path, monkeypatch
):
    (tmp_path / "data").mkdir()
    (case,) = sorted(phantom_folder.iterdir())[:1]
    shutil.copytree(case, tmp_path / "data" / case.name)
    options = PrepareOptions()
    assert segment(options=options) == {case.name: OK}
    assert segment(options=options) == {case.name: SKIPPED}
    monkeypatch.setattr("bundle.preparing.exam.ExamPreparer.prepare", None)
    assert segment(options=options, overlap=0.5) == {case.name: OK}
    assert segment(options=options, overlap=0.5, again=True) == {case.name: FAILED}
