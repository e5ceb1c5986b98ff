import csv
import json

import pytest

from bundle.atomic_file import write_csv
from bundle.batch.runner import COLUMNS, FAILED, OK, CaseOutcome, describe, exit_if_failed
from bundle.batch.segmenting import segment_cases
from bundle.data.cases import list_cases
from bundle.errors import OutputError, SetupError
from bundle.inference.inferers import MixtureInferer
from tests.data.nifti_samples import save, scan

RESULT = {
    "modalities": ["t1c", "t2f"],
    "volumes_ml": {"necrotic core": 1.0, "oedema": 2.5, "enhancing tumour": 0.25},
}


def write_cases(folder, names="abcd"):
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        save(folder / name / f"{name}-t2w.nii.gz", data=scan(seed=number))
    return folder


def statuses(outcomes):
    return [(outcome.case_id, outcome.status) for outcome in outcomes]


@pytest.mark.parametrize("bad", ["a", "b", "d", "ab", "abc", "ac", "abcd"])
def test_a_failure_never_touches_the_cases_after_it(tiny_settings, tmp_path, bad):
    write_cases(tmp_path / "data")
    for name in bad:
        (tmp_path / "data" / name / f"{name}-t2w.nii.gz").write_bytes(b"")
    outcomes = segment_cases(list_cases(tmp_path / "data"), tmp_path / "out", settings=tiny_settings)
    assert statuses(outcomes) == [(name, FAILED if name in bad else OK) for name in "abcd"]
    assert [o.result["case_id"] for o in outcomes if o.result] == [name for name in "abcd" if name not in bad]
    assert all((tmp_path / "out" / name / f"{name}.json").exists() == (name not in bad) for name in "abcd")


def test_an_unexpected_exception_is_reported_and_the_batch_goes_on(tiny_settings, tmp_path, monkeypatch, caplog):
    def fail_once(self, *args, _calls=[], **kwargs):  # noqa: B006
        _calls.append(1)
        if len(_calls) == 2:
            raise ZeroDivisionError("of all things")
        return original(self, *args, **kwargs)

    original = MixtureInferer.__call__
    monkeypatch.setattr(MixtureInferer, "__call__", fail_once)
    cases = list_cases(write_cases(tmp_path / "data"))
    outcomes = segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    assert statuses(outcomes) == [("a", OK), ("b", FAILED), ("c", OK), ("d", OK)]
    assert outcomes[1].reason == "E_UNEXPECTED: ZeroDivisionError: of all things"
    assert "Traceback" in caplog.text
    assert not (tmp_path / "out" / "b").exists()


def test_outcomes_are_reported_and_in_the_table_as_soon_as_they_are_known(tiny_settings, tmp_path):
    seen = []

    def report(outcome):
        with (tmp_path / "out" / "cases.csv").open(newline="") as file:
            seen.append((outcome.case_id, [row["case_id"] for row in csv.DictReader(file)]))

    cases = list_cases(write_cases(tmp_path / "data", "ab"))
    segment_cases(cases, tmp_path / "out", settings=tiny_settings, report=report)
    assert seen == [("a", ["a"]), ("b", ["a", "b"])]


def test_a_row_says_what_the_json_of_the_case_says(tiny_settings, tmp_path):
    (outcome,) = segment_cases(
        list_cases(write_cases(tmp_path / "data", "a") / "a"), tmp_path / "out", settings=tiny_settings
    )
    facts = json.loads((tmp_path / "out" / "a" / "a.json").read_text())
    assert {key: facts[key] for key in outcome.result} == outcome.result
    assert list(outcome.row().values())[3:] == ["t2w", *facts["volumes_ml"].values()]


def test_unusable_weights_are_a_setup_error_before_any_case(tiny_settings, tmp_path):
    cases = list_cases(write_cases(tmp_path / "data"))
    with pytest.raises(SetupError, match="nowhere"):
        segment_cases(cases, tmp_path / "out", settings={**tiny_settings, "checkpoint": tmp_path / "nowhere.pt"})
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("as_files", [False, True], ids=["folder", "files"])
def test_a_case_whose_results_would_go_among_its_images_stops_the_run(tiny_settings, tmp_path, as_files):
    (folder,) = write_cases(tmp_path / "data", "a").iterdir()
    image = {"t2w": folder / "a-t2w.nii.gz"} if as_files else folder
    with pytest.raises(OutputError, match="among the images"):
        segment_cases(({"case_id": "a", "image": image},), tmp_path / "x" / ".." / "data", settings=tiny_settings)
    assert [path.name for path in folder.iterdir()] == ["a-t2w.nii.gz"]


def test_the_table_has_the_documented_columns_and_a_failed_case_has_no_volumes(tmp_path):
    good = CaseOutcome("a", OK, result=RESULT)
    bad = CaseOutcome("b", FAILED, 'E_CRC: "x", y\nz')
    write_csv(tmp_path / "cases.csv", COLUMNS, [good.row(), bad.row()])
    with (tmp_path / "cases.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert tuple(table[0]) == COLUMNS
    assert table[1:] == [
        ["a", "ok", "", "t1c t2f", "1.0", "2.5", "0.25"],
        ["b", "failed", 'E_CRC: "x", y\nz', "", "", "", ""],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


def test_a_case_is_described_in_one_line():
    assert describe(CaseOutcome("a", OK, result=RESULT)) == "a: ok, t1c t2f, tumour 3.8 ml"
    assert describe(CaseOutcome("b", FAILED, "E_CRC: damaged")) == "b: failed: E_CRC: damaged"


def test_only_a_failed_case_ends_the_program():
    exit_if_failed([CaseOutcome("a", OK)])
    with pytest.raises(SystemExit) as caught:
        exit_if_failed([CaseOutcome("a", OK), CaseOutcome("b", FAILED)])
    assert caught.value.code == 1
