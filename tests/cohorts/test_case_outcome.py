"""What of a case stands in the table and on the terminal."""

import csv

from bundle.cohorts.case_outcome import (
    CaseOutcome,
    describe,
    describe_warnings,
    judged_columns,
    log_outcome,
    segmentation_columns,
)
from bundle.files.atomic_file import write_csv
from bundle.outputs.run_files import FAILED, OK
from tests.other_task import LESIONS

RESULT = {
    "modalities": ["t1c", "t2f"],
    "volumes_ml": {"necrotic core": 1.0, "oedema": 2.5, "enhancing tumour": 0.25},
    "warnings": ["t1c: odd", "t2f: odd\x1b[2J"],
}


def test_the_table_has_the_documented_columns_and_a_failed_case_has_no_volumes(tmp_path):
    good = CaseOutcome("a", OK, result=RESULT)
    bad = CaseOutcome("b", FAILED, 'E_CRC: "x", y\nz')
    write_csv(tmp_path / "cases.csv", segmentation_columns(), [good.row(), bad.row()])
    with (tmp_path / "cases.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert tuple(table[0]) == segmentation_columns()
    assert table[1:] == [
        ["a", "ok", "", "t1c t2f", "2", "1.0", "2.5", "0.25"],
        ["b", "failed", 'E_CRC: "x", y\nz', "", "", "", "", ""],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


def test_a_case_is_described_in_one_line():
    assert describe(CaseOutcome("a", OK, result=RESULT)) == "a: ok, t1c t2f, tumour 3.8 ml"
    assert describe(CaseOutcome("b", FAILED, "E_CRC: damaged")) == "b: failed: E_CRC: damaged"


def test_control_characters_reach_neither_terminal_nor_table(tmp_path, caplog):
    outcome = CaseOutcome("\x1b[2Ja", FAILED, "E_X: \x1b]0;pwn\x07 \ud800\u202e")
    assert describe(outcome) == r"\x1b[2Ja: failed: E_X: \x1b]0;pwn\x07 \ud800\u202e"
    with caplog.at_level("INFO", logger="simmlm"):
        log_outcome(outcome)
        log_outcome(CaseOutcome("b", OK, result=RESULT))
    assert caplog.messages[1:] == [describe(CaseOutcome("b", OK, result=RESULT)), *WARNINGS]
    assert "\x1b" not in caplog.text


WARNINGS = ["b: warning: t1c: odd", r"b: warning: t2f: odd\x1b[2J"]


def test_each_warning_is_one_line_after_the_case():
    assert describe_warnings(CaseOutcome("b", OK, result=RESULT)) == WARNINGS
    assert describe_warnings(CaseOutcome("b", FAILED, "E_CRC: damaged")) == []


def test_columns_and_words_are_those_of_the_task(caplog):
    result = {"modalities": ["t2f"], "volumes_ml": {"white matter lesion": 1.25}}
    outcome = CaseOutcome("a", OK, result=result)
    assert segmentation_columns(LESIONS)[-2:] == ("warnings", "white_matter_lesion_ml")
    assert judged_columns(LESIONS)[-2:] == ("warnings", "dice_LES")
    assert outcome.row()["white_matter_lesion_ml"] == 1.25
    assert describe(outcome, LESIONS) == "a: ok, t2f, lesion 1.2 ml"
    with caplog.at_level("INFO", logger="simmlm"):
        log_outcome(outcome, LESIONS)
    assert caplog.messages == ["a: ok, t2f, lesion 1.2 ml"]
