"""The next case is read and the last one written while the network computes, to the same bytes."""

import gc
import threading
import weakref
from collections import Counter
from itertools import pairwise

import pytest

from bundle.cohorts.engines import SerialEngine
from bundle.cohorts.lane import Lane
from bundle.cohorts.overlap import OverlappingEngine
from bundle.cohorts.workers import WorkerMaker
from bundle.errors import CaseError
from bundle.outputs.run_files import FAILED, OK
from tests.cohorts.test_runner import statuses

RESULT = {"modalities": ["t1c"], "volumes_ml": {}, "warnings": []}
PHASES = ("read", "compute", "write")
SOON_S = 20.0
"""For what must happen; a test that waits so long fails."""


class Script:
    """Work in phases that notes what happens, and does in a phase of a case what it was told."""

    def __init__(self, **does):
        self.does = does
        self.events = []
        self.failed = []
        self.alive = weakref.WeakSet()

    def read(self, case):
        self.note("read", case["case_id"])
        return self.kept(case["case_id"])

    def compute(self, read):
        self.note("compute", read.name)
        kept = self.kept(read.name)
        return lambda: self.write(kept)

    def write(self, kept):
        self.note("write", kept.name)
        return {**RESULT, "case_id": kept.name}

    def __call__(self, case):
        return self.compute(self.read(case))()

    def note(self, phase, name):
        self.events.append((phase, name, "begins"))
        self.does.get(f"{phase}_{name}", lambda: None)()
        self.events.append((phase, name, "ends"))

    def kept(self, name):
        voxels = Voxels(name)
        self.alive.add(voxels)
        return voxels

    def run(self, names="abcd", engine=None):
        cases = names if not isinstance(names, str) else map(case_of, names)
        make_worker = WorkerMaker(lambda: self, lambda case, error: self.failed.append(error))
        return (engine or OverlappingEngine()).run(make_worker, cases)

    def place(self, *event):
        return self.events.index(event)


class Voxels:
    """Stands for what a case takes memory for."""

    def __init__(self, name):
        self.name = name


def case_of(name):
    return {"case_id": name, "image": {}}


def fail(error=None):
    raise error or CaseError("E_CRC", "it must be whole.")


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("simmlm")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


def test_the_next_case_is_read_before_this_one_is_computed_and_the_last_one_written_meanwhile():
    read, written = threading.Event(), threading.Event()
    script = Script(
        read_b=read.set,
        compute_a=lambda: read.wait(SOON_S) or fail(),
        write_a=written.set,
        compute_b=lambda: written.wait(SOON_S) or fail(),
    )
    assert statuses(script.run("abc")) == [("a", OK), ("b", OK), ("c", OK)]
    assert script.place("read", "b", "begins") < script.place("compute", "a", "ends")
    assert script.place("write", "a", "begins") < script.place("compute", "b", "ends")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("bad", ["a", "c", "d", "ab", "bd", "abcd"])
def test_a_case_that_fails_in_any_part_fails_alone_and_is_told_once(phase, bad):
    script = Script(**{f"{phase}_{name}": fail for name in bad})
    outcomes = list(script.run())
    assert statuses(outcomes) == [(name, FAILED if name in bad else OK) for name in "abcd"]
    assert {outcome.reason for outcome in outcomes if outcome.status == FAILED} == {
        "E_CRC: it must be whole."
    }
    assert len(script.failed) == len(bad)
    assert all(count == 1 for count in Counter(script.events).values())


def test_reasons_are_those_of_the_serial_engine(caplog):
    errors = {
        "read_a": OSError(5, "Input/output error", "a.nii.gz"),
        "compute_b": ZeroDivisionError("of all things"),
        "write_c": PermissionError(13, "Permission denied", "c.json"),
        "read_d": MemoryError(),
    }
    does = {key: (lambda error=error: fail(error)) for key, error in errors.items()}
    overlapping, serial = (
        [outcome.reason for outcome in Script(**does).run(engine=engine)]
        for engine in (None, SerialEngine())
    )
    assert overlapping == serial
    assert "E_IO" in overlapping[0]
    assert "E_MEMORY" in overlapping[3]


def test_a_case_is_taken_only_when_the_one_before_it_is_about_to_be_computed():
    script, in_hand = Script(), []

    def source():
        for number, name in enumerate("abcdef"):
            computed = sum(event[0] == "compute" for event in script.events[::2])
            in_hand.append(number + 1 - computed)
            yield case_of(name)

    known = 0
    for number, outcome in enumerate(script.run(source())):
        assert outcome.status == OK
        known = number + 1
        assert len(in_hand) - known <= 2  # besides the one whose outcome this is
    assert known == 6
    assert max(in_hand) <= 2


def test_no_more_is_kept_than_of_one_case_in_each_part():
    most = []
    script = Script()
    script.does = {
        f"compute_{name}": lambda: (gc.collect(), most.append(len(script.alive)))
        for name in "abcdef"
    }
    for _ in script.run("abcdef"):
        pass
    assert max(most) <= 3  # one that is written, one that is computed, one that was read
    gc.collect()
    assert len(script.alive) == 0


def test_cases_of_one_folder_wait_for_each_other():
    script = Script()
    assert statuses(script.run("aAbBb")) == [(name, OK) for name in "aAbBb"]
    for before, after in pairwise("aA"):
        assert script.place("write", before, "ends") < script.place("read", after, "begins")
    reads = [at for at, event in enumerate(script.events) if event == ("read", "b", "begins")]
    assert script.place("write", "B", "ends") < reads[1]


@pytest.mark.parametrize("odd", ["", "../x", "cases.csv"])
def test_a_name_that_no_folder_can_have_is_not_even_read(odd):
    script = Script()
    outcomes = list(script.run(map(case_of, ["a", odd, "b"])))
    assert [outcome.status for outcome in outcomes] == [OK, FAILED, OK]
    assert outcomes[1].reason.startswith("E_CASE_ID")
    assert {name for _, name, _ in script.events} == {"a", "b"}


@pytest.mark.parametrize("phase", PHASES)
def test_a_case_without_memory_beside_others_is_run_alone(phase):
    """And only if it has too little alone as well it fails."""
    tries = []

    def once():
        tries.append([event[:2] for event in script.events])
        if len(tries) == 1:
            fail(CaseError("E_MEMORY", "It must fit into memory."))

    script = Script(**{f"{phase}_b": once})
    assert statuses(script.run()) == [(name, OK) for name in "abcd"]
    assert script.failed == []
    assert len(tries) == 2
    again = script.events[len(tries[1]) - 1 :]
    alone = again[: again.index(("write", "b", "ends"))]
    assert {name for _, name, _ in alone} == {"b"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_finishes_the_write_and_drops_the_rest(error):
    begun, go_on = threading.Event(), threading.Event()

    def stop():
        begun.wait(SOON_S)
        threading.Timer(0.2, go_on.set).start()
        raise error

    script = Script(write_a=lambda: (begun.set(), go_on.wait(SOON_S)), compute_b=stop)
    with pytest.raises(error):
        list(script.run())
    assert ("write", "a", "ends") in script.events
    assert ("write", "b", "begins") not in script.events
    assert not any(name == "d" for _, name, _ in script.events)
    assert threads() == []


def test_closing_finishes_the_write_and_starts_nothing_more():
    script = Script()
    outcomes = script.run()
    assert next(outcomes).case_id == "a"
    outcomes.close()
    seen = list(script.events)
    assert threads() == []
    assert [event for event in seen if event[:2] == ("write", "b")] in (
        [],
        [("write", "b", "begins"), ("write", "b", "ends")],
    )
    assert not any(name == "d" for _, name, _ in seen)


def test_what_the_list_of_cases_raises_waits_for_those_that_were_taken():
    def source():
        yield from map(case_of, "ab")
        raise OSError("the list is gone")

    outcomes, seen = Script().run(source()), []
    with pytest.raises(OSError, match="the list is gone"):
        seen.extend(outcomes)
    outcomes = Script().run(source())
    assert statuses([next(outcomes), next(outcomes)]) == [("a", OK), ("b", OK)]
    with pytest.raises(OSError, match="the list is gone"):
        next(outcomes)


def test_a_worker_of_another_kind_is_run_one_case_after_the_other():
    assert list(OverlappingEngine().run(lambda: str.upper, "ab")) == ["A", "B"]


def test_a_job_that_is_given_up_does_not_hold_up_the_others():
    lane, hangs, go_on = Lane("simmlm-test"), threading.Event(), threading.Event()
    stuck = lane.submit(lambda: (hangs.set(), go_on.wait(SOON_S)))
    behind = lane.submit(lambda: "done")
    assert hangs.wait(SOON_S)
    lane.give_up()
    assert behind.result(SOON_S) == "done"
    lane.close(SOON_S)
    assert not stuck.done()
    go_on.set()
    stuck.result(SOON_S)
    for thread in threads():
        thread.join(SOON_S)
