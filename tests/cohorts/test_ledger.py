"""What goes in comes out, and the table and the record say it."""

import csv
import json
from contextlib import closing

import pytest

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.case_table import CaseTable
from bundle.cohorts.ledger import CohortLedger
from bundle.cohorts.run_record import RunRecord
from bundle.errors import ReconcileError
from bundle.outputs.run_files import FAILED, LEFT, OK

COLUMNS = ("case_id", "status", "reason")
COUNTS = {"ok": 0, "failed": 0, "skipped": 0, "left": 0}


@pytest.fixture
def ledger(tmp_path):
    """Of the cases a, b, a, c."""
    with closing(CaseTable(tmp_path / "cases.csv", COLUMNS)) as table:
        cases = [{"case_id": name} for name in "abac"]
        record = RunRecord(tmp_path, {"version": "1"}, None)
        yield CohortLedger(cases, table, record, lambda outcome: None)


def table(tmp_path):
    with (tmp_path / "cases.csv").open(newline="") as file:
        return [(row["case_id"], row["status"]) for row in csv.DictReader(file)]


def record(tmp_path):
    return json.loads((tmp_path / "run.json").read_text())


def test_outcomes_in_any_order_end_in_the_order_of_the_cases(ledger, tmp_path):
    for name in "caab":
        ledger.add(CaseOutcome(name, FAILED if name == "c" else OK))
    assert [name for name, _ in table(tmp_path)] == list("caab")
    assert record(tmp_path)["state"] == "running"
    ledger.finish()
    assert table(tmp_path) == [("a", OK), ("a", OK), ("b", OK), ("c", FAILED)]
    assert record(tmp_path)["state"] == "finished"
    assert record(tmp_path)["counts"] == {**COUNTS, "in": 4, "ok": 3, "failed": 1}
    assert [outcome.case_id for outcome in ledger.in_order()] == list("aabc")


def test_a_case_that_is_lost_is_no_finished_run(ledger, tmp_path):
    for name in "aba":
        ledger.add(CaseOutcome(name, OK))
    with pytest.raises(ReconcileError) as caught:
        ledger.finish()
    assert (caught.value.code, caught.value.exit_code) == ("E_RECONCILE", 70)
    assert table(tmp_path)[-1] == ("c", LEFT)
    assert record(tmp_path)["state"] == "stopped"


@pytest.mark.parametrize("name", ["b", "x"])
def test_an_outcome_twice_or_of_no_case_is_refused(ledger, name):
    ledger.add(CaseOutcome("b", OK))
    with pytest.raises(ReconcileError):
        ledger.add(CaseOutcome(name, OK))


def test_a_run_that_stops_names_every_case(ledger, tmp_path):
    ledger.add(CaseOutcome("c", OK))
    ledger.stop("the run ended: SIGTERM")
    assert table(tmp_path) == [("a", LEFT), ("a", LEFT), ("b", LEFT), ("c", OK)]
    assert record(tmp_path)["counts"] == {**COUNTS, "in": 4, "ok": 1, "left": 3}
    assert record(tmp_path)["ended"] is not None
