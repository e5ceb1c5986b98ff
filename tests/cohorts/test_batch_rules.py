"""How a batch goes on after failures, for how long a case may take, and how it ends early."""

import csv
import errno
import json
import os
import signal
import threading
import time

import pytest

from bundle.cohorts.batch_rules import BatchRules
from bundle.cohorts.overlap import OverlappingEngine
from bundle.cohorts.runner import CaseRunner
from bundle.errors import CaseError, OutputError, ReconcileError
from bundle.interruption import InterruptedRunError
from bundle.outputs.run_files import FAILED, LEFT, OK
from tests.cohorts.test_case_outcome import RESULT


def runner(tmp_path, names, run_case, **options):
    cases = [{"case_id": name, "image": {}} for name in names]
    rules = BatchRules(
        **{key: options.pop(key) for key in list(options) if key in BatchRules.__annotations__}
    )
    options.setdefault("identity", {"version": "1"})
    return CaseRunner(lambda: run_case, cases, tmp_path / "out", rules=rules, **options)


def table(tmp_path):
    with (tmp_path / "out" / "cases.csv").open(newline="") as file:
        return [(row["case_id"], row["status"], row["reason"]) for row in csv.DictReader(file)]


def counts(tmp_path):
    return json.loads((tmp_path / "out" / "run.json").read_text())["counts"]


def test_a_case_that_takes_too_long_fails_alone_in_words(tmp_path):
    def run_case(case):
        time.sleep(5 if case["case_id"] == "b" else 0)
        return RESULT

    outcomes = runner(tmp_path, "abc", run_case, case_timeout_s=0.1).run()
    assert [outcome.status for outcome in outcomes] == [OK, FAILED, OK]
    assert outcomes[1].reason.startswith("E_TIMEOUT: Case b: it must be done within 0.1 s")


@pytest.mark.parametrize(
    ("error", "n_tries"),
    [
        (OSError(errno.EIO, "Input/output error", "x"), 3),
        (ZeroDivisionError("of all things"), 3),
        (CaseError("E_CRC", "x must be whole; got half. Copy it again."), 1),
        (MemoryError(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_go_away_is_tried_again_and_told_once(tmp_path, error, n_tries):
    tries, told = [], []

    def run_case(case):
        tries.append(case["case_id"])
        raise error

    (outcome,) = runner(
        tmp_path, "a", run_case, retries=2, on_failure=lambda case, error: told.append(error)
    ).run()
    assert (outcome.status, len(tries), told) == (FAILED, n_tries, [error])


def test_a_case_that_succeeds_the_second_time_is_done(tmp_path):
    tries = []

    def run_case(case):
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.EIO, "Input/output error", "x")
        return RESULT

    assert runner(tmp_path, "a", run_case, retries=1).run()[0].status == OK


def test_a_run_ends_after_so_many_failures_and_names_what_is_left(tmp_path):
    def run_case(case):
        if case["case_id"] in "bd":
            raise CaseError("E_CRC", "x must be whole; got half. Copy it again.")
        return RESULT

    outcomes = runner(tmp_path, "abcdef", run_case, stop_after_failures=2).run()
    assert [outcome.status for outcome in outcomes] == [OK, FAILED, OK, FAILED, LEFT, LEFT]
    assert [row[1] for row in table(tmp_path)] == [outcome.status for outcome in outcomes]
    assert table(tmp_path)[-1][2] == "the run ended after 2 failures"
    assert counts(tmp_path) == {"in": 6, "ok": 2, "failed": 2, "skipped": 0, "left": 2}


def test_a_full_disk_ends_the_run_and_the_status_says_so(tmp_path):
    def run_case(case):
        if case["case_id"] == "b":
            raise OutputError("E_WRITE", "x must be writable; got: full.") from OSError(
                errno.ENOSPC, "No space left on device"
            )
        return RESULT

    with pytest.raises(OutputError) as caught:
        runner(tmp_path, "abc", run_case, retries=3).run()
    assert caught.value.exit_code == 74
    assert [row[1] for row in table(tmp_path)] == [OK, FAILED, LEFT]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("at", ["a", "c"])
def test_a_signal_drops_the_case_in_hand_and_the_folder_says_how_far_it_came(tmp_path, number, at):
    def run_case(case):
        if case["case_id"] == at:
            os.kill(os.getpid(), number)
            time.sleep(5)
        return RESULT

    with pytest.raises(InterruptedRunError) as caught:
        runner(tmp_path, "abcd", run_case).run()
    assert caught.value.number == number
    n_done = "abcd".index(at)
    assert [row[1] for row in table(tmp_path)] == [OK] * n_done + [LEFT] * (4 - n_done)
    assert {row[2] for row in table(tmp_path)[n_done:]} == {f"the run ended: {number.name}"}
    assert counts(tmp_path)["left"] == 4 - n_done
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cases.csv", "run.json"}


def test_what_is_done_is_not_run_and_the_network_not_even_loaded(tmp_path):
    done = {name: {**RESULT, "case_id": name} for name in "ab"}

    def never(case):
        pytest.fail("it is done")

    def find_done(case):
        return done[case["case_id"]]

    first = runner(tmp_path, "ab", never, find_done=find_done)
    first.make_run = lambda: pytest.fail("no network is needed")
    outcomes = first.run()
    assert [(outcome.status, outcome.result) for outcome in outcomes] == [
        ("skipped", done["a"]),
        ("skipped", done["b"]),
    ]
    asked = []
    again = runner(
        tmp_path,
        "ab",
        lambda case: asked.append(case["case_id"]) or RESULT,
        find_done=find_done,
        again=True,
    )
    assert [outcome.status for outcome in again.run()] == [OK, OK]
    assert asked == ["a", "b"]


class LosingEngine:
    """Loses the last case."""

    def run(self, make_worker, cases):
        worker = make_worker()
        outcomes = [worker(case) for case in cases]
        yield from outcomes[:-1]


def test_an_engine_that_loses_a_case_cannot_hide_it(tmp_path):
    with pytest.raises(ReconcileError, match="1 without an outcome"):
        runner(tmp_path, "abc", lambda case: RESULT, engine=LosingEngine()).run()
    assert [row[1] for row in table(tmp_path)] == [OK, OK, LEFT]


class SlowPhases:
    """Takes long in one part of its work for one case."""

    def __init__(self, part, written):
        self.part, self.written = part, written

    def __call__(self, case):
        return self.compute(self.read(case))()

    def _rest(self, part, case):
        if case["case_id"] == "b" and part == self.part:
            time.sleep(1)

    def read(self, case):
        self._rest("read", case)
        return case

    def compute(self, read):
        self._rest("compute", read)
        return lambda: self.write(read)

    def write(self, case):
        self._rest("write", case)
        self.written.append(case["case_id"])
        return RESULT


@pytest.mark.parametrize(("part", "status"), [("read", FAILED), ("compute", FAILED), ("write", OK)])
def test_a_limit_holds_also_where_cases_overlap_but_never_breaks_a_write(tmp_path, part, status):
    written = []
    phases = SlowPhases(part, written)
    run = runner(tmp_path, "abcd", phases, case_timeout_s=0.3, engine=OverlappingEngine())
    outcomes = run.run()
    assert [outcome.status for outcome in outcomes] == [OK, status, OK, OK]
    assert ("b" in written) == (status == OK)
    if status == FAILED:
        assert outcomes[1].reason.startswith("E_TIMEOUT: Case b")


@pytest.mark.parametrize("at", ["a", "b", "d"])
def test_a_signal_ends_an_overlapped_run_and_what_was_taken_is_left(tmp_path, at):
    class Killed(SlowPhases):
        def compute(self, read):
            if read["case_id"] == at:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            return super().compute(read)

    written, before = [], set(threading.enumerate())
    with pytest.raises(InterruptedRunError):
        runner(tmp_path, "abcd", Killed("", written), engine=OverlappingEngine()).run()
    rows = {row[0]: row[1] for row in table(tmp_path)}
    assert list(rows) == list("abcd")
    assert {name for name in rows if rows[name] == OK} <= set(written)
    assert rows["d"] == LEFT
    assert set(threading.enumerate()) <= before
