"""The list of cases: what stands in it, and what is measured of it."""

import json
import re

import pytest

from bundle.errors import OutputError
from bundle.files.atomic_file import write_csv
from bundle.outputs.report.cohort_rows import CohortRow, cohort_rows
from bundle.outputs.report.histogram import share_histogram, volume_histogram
from bundle.outputs.report.index_page import check_index, index_page, write_index
from bundle.outputs.report.visits import natural, visits
from bundle.outputs.run_files import FIRST_COLUMNS, TABLE
from bundle.tasks.default import DEFAULT_TASK

VOLUMES = {"necrotic core": 1.0, "oedema": 2.0, "enhancing tumour": 0.5}


def write_facts(out, case_id, *, page=True, **facts):
    folder = out / case_id
    folder.mkdir(parents=True)
    base = {"case_id": case_id, "modalities": ["t1c", "t2f"], "volumes_ml": VOLUMES, "warnings": []}
    base |= {"mean_entropy_in_tumour": 0.25, "versions": {"simmlm": "0"}, "inputs": {}, **facts}
    (folder / f"{case_id}.json").write_text(json.dumps(base))
    if page:
        (folder / f"{case_id}_report.html").write_text("page")


def write_rows(out, *rows):
    """Write the table as a run does."""
    columns = (*FIRST_COLUMNS, "modalities", "warnings", "oedema_ml")
    write_csv(out / TABLE, columns, [dict(zip(FIRST_COLUMNS, row, strict=True)) for row in rows])


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))


def test_failures_come_first_with_their_reasons_and_results_of_earlier_runs_last(tmp_path):
    for case_id in ("a", "b", "z"):
        write_facts(tmp_path, case_id)
    rows = [
        ("a", "ok", ""),
        ("b", "skipped", ""),
        ("c", "left", ""),
        ("d", "failed", "E_CRC: d: bad"),
    ]
    write_rows(tmp_path, *rows)
    found = cohort_rows(tmp_path, DEFAULT_TASK)
    assert [(row.case_id, row.status) for row in found] == [
        ("d", "failed"), ("c", "left"), ("a", "ok"), ("b", "skipped"), ("z", "earlier"),
    ]  # fmt: skip
    assert found[0].reason == "E_CRC: d: bad"
    assert (found[2].total_ml, found[2].entropy, found[2].has_page) == (3.5, 0.25, True)
    assert found[1].total_ml is None


def test_a_failed_case_has_no_values_though_an_older_result_lies_there(tmp_path):
    write_facts(tmp_path, "a")
    write_rows(tmp_path, ("a", "failed", "E_CRC: a"))
    (row,) = cohort_rows(tmp_path, DEFAULT_TASK)
    assert (row.status, row.total_ml, row.has_page) == ("failed", None, False)


def test_names_that_a_spreadsheet_would_take_for_formulas_are_found(tmp_path):
    write_facts(tmp_path, "=1+1")
    write_rows(tmp_path, ("=1+1", "ok", ""))
    (row,) = cohort_rows(tmp_path, DEFAULT_TASK)
    assert (row.case_id, row.total_ml) == ("=1+1", 3.5)


@pytest.mark.parametrize("name", ["../a", "..", "x/../a"])
def test_a_name_in_the_table_leads_nowhere_else(tmp_path, name):
    write_facts(tmp_path, "a")
    out = tmp_path / "out"
    out.mkdir()
    write_rows(out, (name, "ok", ""))
    (row,) = cohort_rows(out, DEFAULT_TASK)
    assert row.total_ml is None


def test_markup_in_names_and_reasons_stays_data(tmp_path):
    name = "</script><script>alert(1)</script>".replace("/", "|")
    write_facts(tmp_path, name)
    write_rows(tmp_path, (name, "ok", ""), ("b", "failed", "E_CRC: </script><img src=x>\x1b[1m"))
    page = index_page(tmp_path, DEFAULT_TASK)
    assert "<img src=x>" not in page
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert sorted(row[0] for row in data_of(page)["rows"]) == sorted([name, "b"])


def test_rows_hold_volumes_doubts_and_what_lies_beside_them(tmp_path):
    write_facts(tmp_path, "a", warnings=["x", "y"])
    write_facts(tmp_path, "b", page=False, mean_entropy_in_tumour=None)
    data = data_of(index_page(tmp_path, DEFAULT_TASK))
    assert data["modalities"] == ["T1", "T1ce", "T2", "FLAIR"]
    assert data["rows"] == [
        ["a", 4, "", 0b1010, 2, 0.25, 1, 1.0, 2.0, 0.5],
        ["b", 4, "", 0b1010, 0, None, 0, 1.0, 2.0, 0.5],
    ]


def test_an_empty_folder_has_a_list_too(tmp_path):
    assert data_of(index_page(tmp_path, DEFAULT_TASK))["rows"] == []


@pytest.mark.parametrize("state", ["running", "stopped", "finished"])
def test_what_a_run_says_of_itself_is_shown(tmp_path, state):
    identity = {"version": "9.9.9", "task": "brain_tumours", "settings": {"roi_size": "whole"}}
    (tmp_path / "run.json").write_text(json.dumps({"state": state, "identity": identity}))
    page = index_page(tmp_path, DEFAULT_TASK)
    assert "9.9.9" in page
    assert ('class="flags">The run was' in page) == (state != "finished")


def test_a_damaged_run_json_is_no_hindrance(tmp_path):
    (tmp_path / "run.json").write_text("{")
    assert "The run</h2>" not in index_page(tmp_path, DEFAULT_TASK)


def test_a_page_of_somebody_else_is_not_replaced(tmp_path):
    assert check_index(tmp_path) is False
    write_index(tmp_path, DEFAULT_TASK)
    assert check_index(tmp_path) is True
    write_index(tmp_path, DEFAULT_TASK)
    (tmp_path / "index.html").write_text("<html>mine</html>")
    with pytest.raises(OutputError, match="must be a list of cases by this program") as caught:
        write_index(tmp_path, DEFAULT_TASK)
    assert caught.value.code == "E_EXISTS"


def row(case_id, total=1.0, patient=None):
    volumes = {} if total is None else {"lesion": total}
    return CohortRow(
        case_id, "ok", volumes_ml=volumes, patient=patient or case_id.rpartition("-")[0]
    )


def test_visits_of_a_patient_come_in_the_order_of_their_numbers():
    names = ["p-2-10", "p-2-9", "p-10-1", "p-3-1", "p-10-0", "p-2-100"]
    found = visits([row(name) for name in names])
    assert [[names[index] for index in group] for group in found] == [
        ["p-2-9", "p-2-10", "p-2-100"],
        ["p-10-0", "p-10-1"],
    ]


def test_a_visit_without_a_result_is_none():
    assert visits([row("p-1"), row("p-2", None)]) == []


@pytest.mark.parametrize(
    ("names", "patient"),
    [
        (["BraTS-GLI-00005-100", "BraTS-GLI-00005-101"], "BraTS-GLI-00005"),
        (["sub-07_ses-1", "sub-07_ses-2"], "sub-07"),
    ],
)
def test_visits_are_told_by_the_names_of_brats_and_bids(tmp_path, names, patient):
    for name in reversed(names):
        write_facts(tmp_path, name)
    data = data_of(index_page(tmp_path, DEFAULT_TASK))
    ((found, group),) = data["patients"]
    assert found == patient
    assert [data["rows"][index][0] for index in group] == names


def test_natural_order_takes_any_name():
    names = ["b", "", "a10", "a9", "10", "9"]
    assert sorted(names, key=natural) == ["", "9", "10", "a9", "a10", "b"]


def test_every_value_is_counted_once():
    for values in ([0.0], [0.0, 0.1, 1, 9.99, 10, 100, 350], [1e-9], [1000.0]):
        bars = volume_histogram("x", values).bars
        assert sum(int(bar.words.rpartition(": ")[2]) for bar in bars) == len(values)
    bars = share_histogram("x", "bit", [0, 0.5, 1]).bars
    assert [index for index, bar in enumerate(bars) if bar.height] == [0, 10, 19]
    assert volume_histogram("x", []) is None
