"""Reports while cases are segmented, and later."""

import json
import shutil

import pytest

from tests.outputs.report.drawn_results import drawn_images, write_result
from tests.test_bad_input import call, options


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return drawn_images(tmp_path_factory.mktemp("images"))


def test_segment_writes_a_page_per_case_and_a_list_of_them(phantom_folder, tiny_settings, tmp_path):
    out = tmp_path / "out"
    result = call("segment", phantom_folder, "-o", out, "--report", *options(tiny_settings))
    assert result.exit_code == 0, result.output
    cases = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert len(cases) == 2
    page = (out / "index.html").read_text(encoding="utf-8")
    for case_id in cases:
        assert (out / case_id / f"{case_id}_report.html").is_file()
        companions = json.loads((out / case_id / f"{case_id}.json").read_text())["companions"]
        assert companions == [f"{case_id}_report.html", f"{case_id}_thumbnail.jpg"]
        assert case_id in page


def test_a_list_that_is_there_is_kept_up_to_date_without_being_asked_for(
    phantom_folder, tiny_settings, files, tmp_path
):
    write_result(tmp_path, files)
    assert call("report", tmp_path, "--index-only").exit_code == 0
    case = sorted(phantom_folder.iterdir())[0]
    assert call("segment", case, "-o", tmp_path, *options(tiny_settings)).exit_code == 0
    assert case.name in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not list((tmp_path / case.name).glob("*.html"))


def test_somebody_elses_index_stops_a_run_before_a_case_is_started(
    phantom_folder, tiny_settings, tmp_path
):
    (tmp_path / "index.html").write_text("mine")
    result = call("segment", phantom_folder, "-o", tmp_path, *options(tiny_settings))
    assert "E_EXISTS" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_reports_are_made_later_of_what_is_there(files, tmp_path):
    write_result(tmp_path, files)
    before = {path.name: path.read_bytes() for path in (tmp_path / "case7").iterdir()}
    result = call("report", tmp_path)
    assert result.exit_code == 0, result.output
    after = {path.name: path.read_bytes() for path in (tmp_path / "case7").iterdir()}
    assert after.keys() - before.keys() == {"case7_report.html", "case7_thumbnail.jpg"}
    assert {name: after[name] for name in before} == before
    assert "case7" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_result_that_has_no_report_is_named_and_the_others_get_theirs(files, tmp_path):
    for case_id in ("a", "b"):
        write_result(tmp_path, files, case_id)
    (tmp_path / "a" / "a_seg.nii.gz").unlink()
    result = call("report", tmp_path)
    assert result.exit_code == 1
    assert "E_REPORT: a: a result must have its label map" in result.output
    assert (tmp_path / "b" / "b_report.html").is_file()
    assert (tmp_path / "index.html").is_file()


def test_results_of_another_task_are_refused_with_the_option_that_names_it(files, tmp_path):
    write_result(tmp_path, files)
    result = call("report", tmp_path, "--task", "ms_lesions")
    assert result.exit_code == 1
    assert "--task" in result.output


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    result = call("report", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "OUT must be a folder of results" in result.output


def test_folders_without_results_are_passed_over(files, tmp_path):
    write_result(tmp_path, files)
    (tmp_path / "notes").mkdir()
    shutil.copytree(tmp_path / "case7", tmp_path / "case7" / "outdated")
    assert call("report", tmp_path, "--index-only").exit_code == 0
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count('"case7"') == 1
