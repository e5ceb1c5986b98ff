"""The ways to name a case to `simmlm segment`."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bundle.config_files import bundle_root
from bundle.configuration import load_config
from bundle.names.file_names import find_images
from bundle.tasks.default import DEFAULT_TASK
from bundle.weights.checkpoints import export_weights
from tests.conftest import TINY_EXPERT
from tests.test_bad_input import call, options
from tests.volumes.nifti_samples import save, scan

MODALITIES = DEFAULT_TASK.modality_names


@pytest.fixture
def case(phantom_folder) -> Path:
    return sorted(phantom_folder.iterdir())[0]


@pytest.fixture
def file_4d(case, tmp_path) -> Path:
    """The case as one file, in the order of the Decathlon."""
    images = find_images(case, case.name)
    stored = [nib.load(images[modality]) for modality in ("t2f", "t1n", "t1c", "t2w")]
    image = nib.Nifti1Image(
        np.stack([np.asarray(i.dataobj) for i in stored], axis=3), stored[0].affine
    )
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "case.nii.gz")
    return tmp_path / "case.nii.gz"


def maps(out: Path, case_id: str) -> dict[str, np.ndarray]:
    files = (out / case_id).glob("*.nii.gz")
    return {
        path.name.removeprefix(f"{case_id}_"): np.asarray(nib.load(path).dataobj) for path in files
    }


def check_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert set(one) == set(other)
    assert "seg.nii.gz" in one
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture
def expected(case, tiny_settings, tmp_path) -> dict[str, np.ndarray]:
    assert call("segment", case, "-o", tmp_path / "folder", *options(tiny_settings)).exit_code == 0
    return maps(tmp_path / "folder", case.name)


def test_a_4d_file_with_named_volumes_gives_what_its_case_folder_gives(
    file_4d, expected, tiny_settings, tmp_path
):
    arguments = ("-o", tmp_path / "out", "--modalities", "flair,t1,t1ce,t2")
    assert call("segment", file_4d, *arguments, *options(tiny_settings)).exit_code == 0
    check_same(maps(tmp_path / "out", "case"), expected)


@pytest.mark.parametrize("modality", MODALITIES)
def test_one_image_of_a_case_gives_what_its_folder_gives(
    case, expected, tiny_settings, tmp_path, modality
):
    image = case / f"{case.name}-{modality}.nii.gz"
    assert call("segment", image, "-o", tmp_path / "out", *options(tiny_settings)).exit_code == 0
    check_same(maps(tmp_path / "out", case.name), expected)


def test_results_do_not_go_among_the_images_of_a_case_that_is_named_by_one(case, tiny_settings):
    image = case / f"{case.name}-t1c.nii.gz"
    result = call("segment", image, "-o", case.parent, *options(tiny_settings))
    assert result.exit_code == 74
    assert "must not go among the images" in result.output


def test_a_4d_file_without_a_declaration_fails_with_the_ways_out(file_4d, tiny_settings, tmp_path):
    result = call("segment", file_4d, "-o", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 1
    assert "modalities=t1n,t1c,t2w,t2f" in (tmp_path / "out" / "cases.csv").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("source", ["folder", "files"])
def test_a_declaration_for_anything_but_one_file_is_a_usage_error(case, tmp_path, source):
    what = [case] if source == "folder" else ["--t1c", case / f"{case.name}-t1c.nii.gz"]
    result = call("segment", *what, "-o", tmp_path / "out", "--modalities", "t1c")
    assert result.exit_code == 2
    assert "--modalities goes with one file" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "both"),
    [
        (("--t1c", "--t1ce"), "--t1c (--t1ce)"),
        (("--t1", "--t1n"), "--t1n (--t1)"),
        (("--t2", "--t2"), "--t2w (--t2)"),
        (("--flair", "--t2f"), "--t2f (--flair)"),
    ],
)
def test_two_files_for_one_modality_are_refused_with_their_names(case, tmp_path, names, both):
    files = [case / f"{case.name}-t1c.nii.gz", case / f"{case.name}-t2w.nii.gz"]
    result = call("segment", names[0], files[0], names[1], files[1], "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert all(words in result.output for words in (both, files[0].name, files[1].name))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["t1c", "T1ce"])
def test_an_image_of_a_modality_may_be_named_by_any_of_its_names(
    case, tiny_settings, tmp_path, name
):
    image = case / f"{case.name}-t1c.nii.gz"
    small = options(tiny_settings)
    for out, what in (("one", ["--t1c", image]), ("other", ["--image", f"{name}={image}"])):
        assert call("segment", *what, "-o", tmp_path / out, *small).exit_code == 0
    check_same(maps(tmp_path / "one", case.name), maps(tmp_path / "other", case.name))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (["--image", "t1c"], "--image must be NAME=FILE, such as t1n=image.nii.gz; got 't1c'"),
        (["--image", "t1c="], "--image must be NAME=FILE"),
        (["--image", "ct=a.nii"], "modality must be one of"),
        (["--image", "t1c=a.nii", "--image", "t1ce=b.nii"], "The image of t1c must be given once"),
        (["--t1c", "a.nii", "--image", "t1c=b.nii"], "The image of t1c must be given once"),
    ],
)
def test_an_image_that_is_named_wrongly_or_twice_is_refused(tmp_path, images, words):
    result = call("segment", *images, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.output


def test_a_task_of_ones_own_takes_its_own_images_and_numberings(task_file, tmp_path):
    task = ["--task", task_file, "-o", tmp_path / "out"]
    refused = call("segment", "--t1c", "a.nii", *task)
    assert refused.exit_code == 2
    assert "--t1c must be a modality of the task lesions, flair, t1, t2" in refused.output
    refused = call("segment", "--image", "flair=a.nii", *task, "--labels", "brats2021")
    assert refused.exit_code == 2
    assert "--labels must be one of binary; got 'brats2021'" in refused.output
    refused = call("segment", *task)
    assert "(--image NAME=FILE)" in refused.output


def test_a_case_of_another_task_is_segmented_and_told_in_its_words(
    case, task_file, tiny_settings, tmp_path, caplog
):
    expert = {**TINY_EXPERT, "out_channels": 1}
    small = {**tiny_settings, "expert": expert, "task_name": task_file}
    network = load_config("inference.yaml", small).get_parsed_content("network_def")
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    export_weights(network, tmp_path / "trained.pt", tmp_path / "model.pt")
    small = {**tiny_settings, "expert": expert, "checkpoint": tmp_path / "model.pt"}
    named = {"flair": "t2f", "T2": "t2w"}
    images = [
        f"--image={name}={case / f'{case.name}-{file}.nii.gz'}" for name, file in named.items()
    ]
    arguments = ["--case-id", "x", "--task", task_file, "-o", tmp_path / "out", *options(small)]
    with caplog.at_level("INFO", logger="simmlm"):
        result = call("segment", *images, *arguments)
    assert result.exit_code == 0, result.output
    assert "x: ok, flair t2, lesion " in caplog.text
    assert set(maps(tmp_path / "out", "x")) == {
        *("seg.nii.gz", "entropy.nii.gz", "weight-flair.nii.gz", "weight-t2.nii.gz")
    }


def test_a_task_that_is_not_there_ends_with_status_78(tmp_path):
    result = call("segment", "--t1c", "a.nii", "--task", "liver", "-o", tmp_path / "out")
    assert result.exit_code == 78
    assert result.stderr.startswith("E_TASK")


def test_weights_are_given_as_to_evaluate(case, expected, tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_settings["checkpoint"].parent))
    settings = {name: value for name, value in tiny_settings.items() if name != "checkpoint"}
    result = call(
        "segment", case, f"-o{tmp_path / 'out'}", "--checkpoint=~/model.pt", *options(settings)
    )
    assert result.exit_code == 0, result.output
    check_same(maps(tmp_path / "out", case.name), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "got neither"),
        (["a", "--t1c", "b.nii"], "got both"),
        (["a", "--case-id", "x"], "--case-id goes with named files"),
        (["--t1c", "b.nii", "--pattern", "t1c=*"], "--pattern goes with a folder"),
    ],
)
def test_what_cannot_mean_anything_is_refused_with_the_way_out(
    tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    result = call("segment", *arguments, "-o", "out")
    assert result.exit_code == 2
    assert words in result.output
    assert any(remedy in result.output for remedy in ("Give one of the two.", "Leave it out."))


def named(image: Path, out: Path, tiny_settings, *more):
    return call(
        "segment", "--t1c", image, "--case-id", "x", "-o", out, *options(tiny_settings), *more
    )


def test_a_loop_that_gives_two_patients_one_name_keeps_the_first_result_until_told_otherwise(
    phantom_folder, tiny_settings, tmp_path
):
    one, two = (next(folder.glob("*-t1c.nii.gz")) for folder in sorted(phantom_folder.iterdir()))
    assert named(one, tmp_path / "out", tiny_settings).exit_code == 0
    before = maps(tmp_path / "out", "x")
    refused = named(two, tmp_path / "out", tiny_settings)
    assert refused.exit_code == 1
    assert "E_EXISTS" in (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8")
    check_same(maps(tmp_path / "out", "x"), before)
    assert named(one, tmp_path / "out", tiny_settings).exit_code == 0
    assert named(two, tmp_path / "out", tiny_settings, "--overwrite").exit_code == 0
    assert not np.array_equal(
        maps(tmp_path / "out", "x")["entropy.nii.gz"], before["entropy.nii.gz"]
    )


def test_an_output_that_is_a_file_ends_with_status_74_and_stays(case, tiny_settings, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = call("segment", case, "-o", tmp_path / "file", *options(tiny_settings))
    assert result.exit_code == 74
    assert result.stderr.startswith("E_OUTPUT")
    assert "a file has that name" in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_list_named_cases_csv_is_not_replaced_by_the_results(case, tiny_settings, tmp_path):
    text = f"case_id,t1c\na,{case / f'{case.name}-t1c.nii.gz'}\n"
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    result = call("segment", tmp_path / "cases.csv", "-o", tmp_path, *options(tiny_settings))
    assert result.exit_code == 74
    assert (tmp_path / "cases.csv").read_text(encoding="utf-8") == text


def test_warnings_are_on_the_terminal_and_counted(tiny_settings, tmp_path, caplog):
    folder = tmp_path / "head"
    folder.mkdir()
    save(folder / "head-t1c.nii.gz", data=scan(seed=1) + np.int16(1000))
    with caplog.at_level("INFO", logger="simmlm"):
        result = call("segment", folder, "-o", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 0
    warnings = json.loads((tmp_path / "out" / "head" / "head.json").read_text())["warnings"]
    assert caplog.messages[1:] == [f"head: warning: {text}" for text in warnings]
    assert warnings
    assert "1 cases: 1 ok, 0 failed, 1 with warnings" in result.stdout


@pytest.mark.parametrize(
    "setting",
    [
        "overlap=1.5",
        "overlap=abc",
        "roi_size=96",
        "sw_batch_size=0",
        "preview=[1]",
        "checkpoint=/a: b/model.pt",
    ],
)
def test_a_setting_of_the_wrong_kind_is_one_sentence_and_nothing_is_started(
    case, tiny_settings, tmp_path, setting
):
    result = call(
        "segment", case, "-o", tmp_path / "out", *options(tiny_settings), "--set", setting
    )
    assert result.exit_code == 78
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "cases.csv").exists()


@pytest.mark.slow
def test_a_run_of_the_bundle_says_a_wrong_setting_in_one_sentence(case, tmp_path):
    command = [
        sys.executable,
        "-m",
        "monai.bundle",
        "run",
        "--config_file",
        "configs/inference.yaml",
    ]
    given = ["--bundle_root", ".", "--dataset_dir", "2021", "--output_dir", str(tmp_path / "out")]
    process = subprocess.run(
        [*command, *given], cwd=bundle_root(), capture_output=True, text=True, check=False
    )
    assert process.returncode == 78
    assert process.stderr.splitlines()[-1].startswith("E_SETTING: dataset_dir must be a path")
    assert "./NAME" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "out").exists()
