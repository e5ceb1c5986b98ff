"""What stands in the page of a case, and that it comes and goes with the case's result."""

import json
import re
import shutil
from pathlib import Path

import pytest

from bundle.errors import CaseError
from bundle.outputs.earlier_results import set_aside
from bundle.outputs.report.written_results import report_written, result_names
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task_file import load_task
from tests.outputs.report.drawn_results import write_result

GAIN_OF_ONE = {"mean": 0.5, "low": None, "high": None, "n": 1}
MARKUP = """<img src=x onerror=alert(1)>&"'{{ 7*7 }}=1+1"""
SCRIPT = re.compile(r"<(script|style)[^>]*>.*?</\1>", re.S)


def page_of(out, case_id="case7"):
    return (out / case_id / f"{case_id}_report.html").read_text(encoding="utf-8")


def words_of(page):
    """Return what a reader sees, with a single space for every gap."""
    body = SCRIPT.sub(" ", page).partition("<body>")[2]
    text = re.sub(r"<[^>]+>", " ", body)
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def full(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("full")
    write_result(out, files, report=True, warnings=["t1c: a doubt"])
    return out


def test_the_report_is_listed_and_lies_beside_the_maps(full):
    facts = json.loads((full / "case7" / "case7.json").read_text())
    assert facts["companions"] == ["case7_report.html", "case7_thumbnail.jpg"]
    assert all((full / "case7" / name).is_file() for name in facts["companions"])


def test_the_page_says_what_there_is_in_the_order_in_which_it_is_read(full):
    words = words_of(page_of(full))
    parts = [
        "Research use only. Not for diagnosis.", "case7", "All 4 modalities were acquired",
        "T1ce t1c", "Pictures", "Volumes", "whole tumour (WT)", "oedema", "Doubts and quality",
        "t1c: a doubt", "Mean entropy in tumour", "Viewer", "Weight FLAIR", "Measure in the NIfTI files",
        "Where it comes from", "cd" * 32, "Settings and versions", "roi size whole",
    ]  # fmt: skip
    places = [words.index(part) for part in parts]
    assert places == sorted(places)


def test_volumes_are_those_of_the_json_and_regions_are_sums_of_labels(full):
    volumes = json.loads((full / "case7" / "case7.json").read_text())["volumes_ml"]
    words = words_of(page_of(full))
    assert f"whole tumour (WT) {sum(volumes.values()):.2f}" in words
    assert f"oedema {volumes['oedema']:.2f}" in words


def test_volumes_in_doubt_are_shown_where_they_are_known(files, tmp_path):
    intervals = {"volume_intervals_ml": {"WT": [1.5, 4.25], "oedema": [0.5, 1]}}
    write_result(tmp_path, files, report=True, facts=intervals)
    words = words_of(page_of(tmp_path))
    assert "in doubt, ml" in words
    assert "1.50 to 4.25" in words
    assert "0.50 to 1.00" in words


def test_a_missing_modality_is_named_with_what_that_means(files, tmp_path):
    write_result(tmp_path, files, report=True, modalities=("t1n", "t2f"))
    words = words_of(page_of(tmp_path))
    assert "T1 and FLAIR were acquired; T1ce and T2 were missing." in words
    assert f"T1ce t1c no {DEFAULT_TASK.modality('t1c').without}" in words
    assert "Weight T1ce" not in words


def test_what_one_modality_shows_is_flagged(files, tmp_path):
    write_result(tmp_path, files, report=True, modalities=("t2f",))
    words = words_of(page_of(tmp_path))
    assert "FLAIR was acquired; T1, T1ce and T2 were missing." in words
    assert "One modality alone: nothing confirms what it shows." in words


def test_an_empty_segmentation_is_flagged(files, tmp_path):
    write_result(tmp_path, files, report=True, empty=True)
    words = words_of(page_of(tmp_path))
    assert "No tumour was found." in words
    assert "whole tumour (WT) 0.00" in words
    assert "Mean entropy" not in words


def test_how_an_exam_was_prepared_is_told(files, tmp_path):
    moved = [[1, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    scans = {
        "t2f": {"file": "a", "moved_by": moved, "resampled": True, "quality": {"moved_mm": 4.25}}
    }
    write_result(tmp_path, files)
    path = tmp_path / "case7" / "case7.json"
    facts = json.loads(path.read_text())
    facts["prepared"] = {
        "reference": "t1c",
        "modalities": scans,
        "left_out": {},
        "brain_by": "HD-BET",
    }
    path.write_text(json.dumps(facts))
    report_written(tmp_path, "case7", DEFAULT_TASK)
    words = words_of(page_of(tmp_path))
    assert "Brain cut out by HD-BET" in words
    assert "t2f registered: moved, resampled, moved mm 4.25" in words


def test_pictures_of_weights_are_drawn_only_where_they_differ_from_place_to_place(
    files, tmp_path, full
):
    write_result(tmp_path, files, report=True, varying=True)
    assert page_of(full).count("<figure>") == 1
    assert page_of(tmp_path).count("<figure>") == 2
    assert 'alt="Axial, coronal and sagittal slice' in page_of(tmp_path)


def test_contributions_are_drawn_and_stand_in_the_table_where_they_were_asked_for(
    files, tmp_path, full
):
    write_result(tmp_path, files, report=True, contributions="shares")
    page = page_of(tmp_path)
    assert page.count("<figure>") == 2
    assert "what each modality contributed" in page
    assert "Contribution in ET" in words_of(page)
    assert "Contribution in ET" not in words_of(page_of(full))
    facts = json.loads((tmp_path / "case7" / "case7.json").read_text())
    shares = {name: facts["contributions"]["ET"][name] for name in DEFAULT_TASK.modality_names}
    assert shares == pytest.approx({"t1n": 0.1, "t1c": 0.2, "t2w": 0.3, "t2f": 0.4}, abs=1e-3)


def test_what_acquiring_a_missing_modality_changed_elsewhere_is_said_with_its_interval(
    files, tmp_path
):
    gain = {"ET": {"mean": 0.31, "low": 0.1, "high": 0.52, "n": 8}, "TC": {**GAIN_OF_ONE}}
    facts = {
        "gains_of_missing": {"t1c": gain},
        "region_intervals_ml": {"TC": [1.0, 2.0]},
        "interval_level": 0.8,
    }
    write_result(tmp_path, files, modalities=("t2w", "t2f"), report=True, facts=facts)
    words = words_of(page_of(tmp_path))
    assert "changed by points: ET +31 (+10 to +52; 8 cases)." in words
    assert "TC +" not in words
    assert "the true volume of 80 % of the cases" in words


def test_markup_in_a_name_stays_text(files, tmp_path):
    name = f"case{MARKUP}"
    write_result(
        tmp_path, files, name, report=True, warnings=[f"t1c: {MARKUP}", "\x1b[31mred\udc80"]
    )
    page = page_of(tmp_path, name)
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;&#34;&#39;{{ 7*7 }}=1+1" in page
    assert r"\x1b[31mred\udc80" in page
    assert "\x1b" not in page


def test_no_path_of_a_folder_stands_in_a_page(full, files):
    assert str(Path(files["t1c"]).parent) not in page_of(full)
    assert files["t1c"].name in page_of(full)


def test_a_page_made_later_is_the_one_of_the_run_but_for_its_date(full, files, tmp_path):
    write_result(tmp_path, files, report=True, warnings=["t1c: a doubt"])
    (tmp_path / "case7" / "case7_report.html").unlink()
    assert list(result_names(tmp_path)) == ["case7"]
    report_written(tmp_path, "case7", DEFAULT_TASK)
    date = re.compile(r"page of [^<]+")
    later, of_the_run = (date.sub("", page_of(out)) for out in (tmp_path, full))
    # Maps are rounded to half precision on disk.
    assert words_of(later) == words_of(of_the_run)
    assert abs(len(later) - len(of_the_run)) < 2000


@pytest.mark.parametrize("convention", ["brats2021", "msd"])
def test_a_page_made_later_knows_the_numbering_of_the_label_map(files, tmp_path, full, convention):
    write_result(tmp_path, files, label_convention=convention, warnings=["t1c: a doubt"])
    report_written(tmp_path, "case7", DEFAULT_TASK)
    picture = re.compile(r'<img src="(data:[^"]+)"')
    assert picture.findall(page_of(tmp_path)) == picture.findall(page_of(full))


@pytest.mark.parametrize("what", ["gone", "another"])
def test_without_its_images_a_page_shows_the_maps_and_says_so(files, tmp_path, what):
    copies = {name: tmp_path / path.name for name, path in files.items()}
    for name, path in files.items():
        shutil.copy(path, copies[name])
    write_result(tmp_path / "out", copies)
    copies["t1c"].unlink()
    if what == "another":
        shutil.copy(copies["t2f"], copies["t1c"])
    report_written(tmp_path / "out", "case7", DEFAULT_TASK)
    page = page_of(tmp_path / "out")
    assert "The images are not shown, only the maps" in words_of(page)
    assert 'name="image"' not in page
    assert page.count("<figure>") == 1


def test_a_result_of_another_task_is_refused_with_the_way_out(full):
    with pytest.raises(CaseError, match=r"must be of the task ms_lesions; got .*--task") as caught:
        report_written(full, "case7", load_task("ms_lesions"))
    assert caught.value.code == "E_REPORT"


def test_a_result_without_its_label_map_is_refused(files, tmp_path):
    write_result(tmp_path, files)
    (tmp_path / "case7" / "case7_seg.nii.gz").unlink()
    with pytest.raises(CaseError, match="case7: a result must have its label map"):
        report_written(tmp_path, "case7", DEFAULT_TASK)


def test_a_report_never_stays_beside_a_newer_result(files, tmp_path):
    write_result(tmp_path, files)
    report_written(tmp_path, "case7", DEFAULT_TASK)
    folder = write_result(tmp_path, files)
    assert not [path for path in folder.iterdir() if path.suffix in (".html", ".jpg")]


def test_a_report_made_later_is_set_aside_with_an_outdated_result(files, tmp_path):
    folder = write_result(tmp_path, files)
    report_written(tmp_path, "case7", DEFAULT_TASK)
    case = {"case_id": "case7", "image": {"t1c": files["t1c"]}}
    set_aside(case, CaseError("E_CRC", "damaged"), tmp_path)
    assert (folder / "outdated" / "case7_report.html").is_file()
    assert [path.name for path in folder.iterdir()] == ["outdated"]


def test_volumes_without_a_modality_are_shown_where_they_were_computed(files, tmp_path):
    without = {
        "volumes_without_ml": {"t2f": {"oedema": 12.345, "necrotic core": 1}, "t1c": {}},
        "mean_entropies_without": {"t2f": 0.123, "t1c": None},
    }
    write_result(tmp_path, files, report=True, facts=without)
    words = words_of(page_of(tmp_path))
    assert "without one modality" in words
    assert "FLAIR 1.00 12.35 0.00 0.12" in words or "FLAIR 1.00 12.34 0.00 0.12" in words
    assert "0.00 0.00 0.00 -" in words
