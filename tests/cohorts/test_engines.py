"""Cases run by one engine or another, here or in another process, become the same."""

import os
import pickle
from functools import partial

import pytest

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.cohorts.engines import SerialEngine
from bundle.cohorts.runner import CaseRunner
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError, OutputError, SetupError, UsageError
from bundle.outputs.run_files import FAILED, OK, SKIPPED
from tests.cohorts.process_engine import ProcessEngine
from tests.cohorts.test_runner import statuses, write_cases

RESULT = {"modalities": ["t1c"], "volumes_ml": {}, "warnings": []}


def test_the_serial_engine_yields_an_outcome_before_it_starts_the_next_case():
    seen = []

    def worker(case):
        seen.append(case)
        return f"of {case}"

    outcomes = SerialEngine().run(lambda: worker, ["a", "b"])
    assert (next(outcomes), seen) == ("of a", ["a"])
    assert (list(outcomes), seen) == (["of b"], ["a", "b"])


@pytest.mark.parametrize("kind", [CaseError, UsageError, OutputError, SetupError])
def test_an_error_that_a_user_can_mend_reaches_another_process_as_it_is(kind):
    error = pickle.loads(pickle.dumps(kind("E_CRC", "case7 must be whole.")))
    assert (type(error), error.code, str(error)) == (kind, "E_CRC", "case7 must be whole.")


def process_of(case, first):
    """Say in which process a case was run; stands for work."""
    if case["case_id"] == "b":
        raise CaseError("E_CRC", f"b must be whole, says {first}.")
    return {**RESULT, "warnings": [str(os.getpid())]}


def make_run():
    return partial(process_of, first="a worker")


@pytest.mark.slow
def test_a_case_that_fails_elsewhere_is_an_outcome_like_any_other(tmp_path):
    problem = CaseError("E_FILE_NAME", "c must have a name.")
    cases = [{"case_id": name, "image": {}} for name in "abc"]
    cases[2]["problem"] = problem
    runner = CaseRunner(make_run, cases, tmp_path / "out", engine=ProcessEngine())
    outcomes = runner.run()
    assert statuses(outcomes) == [("a", OK), ("b", FAILED), ("c", FAILED)]
    assert outcomes[0].warnings != [str(os.getpid())]
    assert outcomes[1].reason == "E_CRC: b must be whole, says a worker."
    assert outcomes[2].reason == "E_FILE_NAME: c must have a name."


@pytest.mark.slow
def test_a_worker_in_another_process_writes_the_same_bytes_and_sets_the_same_aside(
    tiny_settings, tmp_path
):
    cases = list_cases(write_cases(tmp_path / "data", "ab"))
    settings = {**tiny_settings, "preview": True, "slicer": True}
    folders = {"here": None, "elsewhere": ProcessEngine()}
    for name, engine in folders.items():
        outcomes = segment_cases(cases, tmp_path / name, settings=settings, engine=engine)
        assert statuses(outcomes) == [("a", OK), ("b", OK)]
    assert maps_in(tmp_path / "here") == maps_in(tmp_path / "elsewhere")
    assert len(maps_in(tmp_path / "here")) == 2 * 7 + 1
    (tmp_path / "data" / "b" / "b-t2w.nii.gz").write_bytes(b"")
    for name, engine in folders.items():
        outcomes = segment_cases(cases, tmp_path / name, settings=settings, engine=engine)
        assert statuses(outcomes) == [("a", SKIPPED), ("b", FAILED)]
    assert maps_in(tmp_path / "here") == maps_in(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "b" / "outdated" / "b.json").exists()


def maps_in(folder):
    """Return the bytes of all files but the JSONs, which tell the time."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_weights_that_a_worker_cannot_use_end_the_run_before_any_case(tiny_settings, tmp_path):
    cases = list_cases(write_cases(tmp_path / "data", "a"))
    settings = {**tiny_settings, "checkpoint": tmp_path / "nowhere.pt"}
    with pytest.raises(SetupError, match="nowhere"):
        segment_cases(cases, tmp_path / "out", settings=settings, engine=ProcessEngine())
    assert not any((tmp_path / "out").iterdir())
