"""The commands that describe and divide a data set, as a user meets them."""

import csv
import json

import pytest
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.datasets.labelled_cases import labelled_cases
from bundle.datasets.splits import divide
from tests.datasets.sample_datasets import (
    rows_of,
    stripes,
    write_case,
    write_json,
    write_msd,
    write_table,
)
from tests.test_bad_input import options


@pytest.fixture
def folder(tmp_path):
    """Six labelled cases."""
    for number in range(6):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3))
    return tmp_path / "cases"


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_sound_data_set_is_described_with_status_0(folder, tmp_path):
    result = call("data", folder, "--json", tmp_path / "found.json")
    assert result.exit_code == 0
    assert "a folder of case folders" in result.output
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (found["layout"], found["n_usable"]) == ("a folder of case folders", 6)


def test_a_case_that_cannot_be_used_gives_status_1_and_its_reason(folder, tmp_path):
    (folder / "c3" / "c3-t2f.nii.gz").write_bytes(b"")
    result = call("data", folder, "--json", tmp_path / "found.json")
    assert result.exit_code == 1
    assert "E_EMPTY" in result.output
    (bad,) = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["unusable"]
    assert bad["case_id"] == "c3"


def test_files_of_other_names_are_described_by_patterns(tmp_path):
    write_case(tmp_path / "data" / "c0")
    (tmp_path / "data" / "c0" / "c0-t1c.nii.gz").rename(tmp_path / "data" / "c0" / "post.nii.gz")
    result = call("data", tmp_path / "data", "--pattern", "t1c=post*")
    assert result.exit_code == 0
    assert "t1c: 1" in result.output
    assert "t1n: 0" in result.output


@pytest.mark.parametrize("source", ["nowhere", "list.csv"])
def test_a_source_that_is_none_is_a_usage_error(tmp_path, source):
    (tmp_path / "list.csv").write_text("case_id,t1x\na,nowhere.nii\n", encoding="utf-8")
    result = call("data", tmp_path / source)
    assert result.exit_code == 2
    assert source in result.output


def test_rows_of_a_list_that_cannot_be_used_are_described_with_the_others(folder, tmp_path):
    rows = rows_of(folder, tmp_path)
    odd = [
        {**rows[1], "t1c": "nowhere.nii"},
        {**rows[2], "case_id": "a\nb"},
        {**rows[3], "label": "nowhere.nii"},
    ]
    result = call(
        "data",
        write_table(tmp_path / "list.csv", [rows[0], *odd]),
        "--json",
        tmp_path / "found.json",
    )
    assert result.exit_code == 1
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (found["n_cases"], found["n_usable"]) == (4, 1)
    assert [case["case_id"] for case in found["unusable"]] == ["c1", "row-4", "c3"]
    assert [case["reason"].split(":")[0] for case in found["unusable"]] == [
        "E_MISSING",
        "E_CASE_ID",
        "E_MISSING",
    ]


def test_the_batch_goes_on_past_rows_that_cannot_be_used(tmp_path, tiny_settings):
    for number in range(2):
        write_case(tmp_path / "cases" / f"c{number}", seed=number)
    good = [{**row, "label": "nowhere-seg.nii.gz"} for row in rows_of(tmp_path / "cases", tmp_path)]
    odd = [
        {**good[0], "case_id": "a", "t1c": "x\0y"},
        {**good[0], "case_id": "i" * 300},
        {**good[0], "case_id": "a/b"},
    ]
    source = write_json(tmp_path / "list.json", [good[0], *odd, good[1]])
    result = call("segment", "--data", source, "--out", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert "5 cases: 2 ok, 3 failed" in result.output
    with (tmp_path / "out" / "cases.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            (row["case_id"], row["status"], row["reason"].split(":")[0])
            for row in csv.DictReader(file)
        ]
    assert rows == [
        ("c0", "ok", ""),
        ("a", "failed", "E_MISSING"),
        ("entry-3", "failed", "E_CASE_ID"),
        ("entry-4", "failed", "E_CASE_ID"),
        ("c1", "ok", ""),
    ]


def test_a_list_of_4d_files_is_segmented_by_one_declaration(tmp_path, tiny_settings):
    for number in range(2):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1))
    write_msd(tmp_path / "msd", tmp_path / "cases")
    images = ["msd/imagesTr/BRATS_000.nii.gz", "msd/imagesTs/BRATS_001.nii.gz"]
    source = write_json(tmp_path / "list.json", {"testing": images})
    declared = ["--modalities", "t2f,t1n,t1c,t2w"]
    result = call("segment", source, "--out", tmp_path / "out", *declared, *options(tiny_settings))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "BRATS_001" / "BRATS_001_seg.nii.gz").is_file()


def test_a_report_that_has_no_folder_is_refused_before_reading(folder, tmp_path):
    result = call("data", folder, "--json", tmp_path / "nowhere" / "found.json")
    assert result.exit_code == 74
    assert "cases" not in result.stdout


def test_a_split_is_written_once_and_never_replaced_by_another(folder, tmp_path):
    out = tmp_path / "split.json"
    result = call("split", "--data", folder, "--out", out, "--validation", 0.2, "--test", 0.2)
    assert result.exit_code == 0
    assert result.output.strip() == f"{out}: 4 training, 1 validation, 1 test"
    before = out.read_bytes()
    assert (
        call("split", "--data", folder, "--out", out, "--validation", 0.2, "--test", 0.2).exit_code
        == 0
    )
    other = call(
        "split", "--data", folder, "--out", out, "--validation", 0.2, "--test", 0.2, "--seed", 1
    )
    assert other.exit_code == 2
    assert "E_OUTPUT" in other.output
    assert out.read_bytes() == before


def test_folds_divide_the_cases_that_training_lists(folder, tmp_path):
    out = tmp_path / "folds.json"
    assert call("split", "--data", folder, "--out", out, "--folds", 3, "--test", 0).exit_code == 0
    validated = [
        case["case_id"]
        for fold in range(3)
        for case in divide(labelled_cases(folder), out, fold)[1]
    ]
    assert sorted(validated) == [f"c{n}" for n in range(6)]


def test_folds_and_a_validation_share_exclude_each_other(folder, tmp_path):
    result = call(
        "split", "--data", folder, "--out", tmp_path / "s.json", "--folds", 3, "--validation", 0.1
    )
    assert result.exit_code == 2
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize("layout", ["msd", pytest.param("table", marks=pytest.mark.slow)])
def test_a_list_and_a_decathlon_folder_are_segmented_case_by_case(tmp_path, tiny_settings, layout):
    for number in range(2):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1))
    if layout == "msd":
        source, names = write_msd(tmp_path / "msd", tmp_path / "cases"), ["BRATS_000", "BRATS_001"]
    else:
        rows = [{**row, "t1c": "", "label": ""} for row in rows_of(tmp_path / "cases", tmp_path)]
        source, names = write_table(tmp_path / "list.csv", rows), ["c0", "c1"]
    result = call("segment", source, "--out", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 0, result.output
    assert all((tmp_path / "out" / name / f"{name}_seg.nii.gz").is_file() for name in names)
