"""Cases run by Ray become what they become in this process, whoever dies meanwhile."""

import json
import time
from importlib.util import find_spec

import pytest

from bundle.cohorts import ray_cluster, ray_engine, ray_worker
from bundle.cohorts.cohort_evaluation import evaluate_network, evaluate_predictions
from bundle.cohorts.cohort_preparation import prepare_cases
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.cohorts.ray_cluster import joined
from bundle.cohorts.ray_engine import RayEngine
from bundle.cohorts.ray_worker import Workplace
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.workers import WorkerMaker
from bundle.datasets.labelled_cases import labelled_cases
from bundle.datasets.listing import list_cases
from bundle.errors import SetupError, UsageError
from bundle.outputs.run_files import FAILED, OK
from bundle.preparing.options import PrepareOptions
from bundle.tasks.default import DEFAULT_TASK
from tests.cohorts import two_nodes
from tests.cohorts.ray_stand_ins import NoteFailure, StandIn
from tests.cohorts.same_files import written
from tests.cohorts.test_runner import statuses, write_cases
from tests.test_bad_input import call, rows

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster():
    """A cluster on this machine for two workers, which is used instead of starting another."""
    with joined(None, 2) as ray:
        yield ray


def engine(out, **options) -> RayEngine:
    out.mkdir(exist_ok=True)
    return RayEngine(out, workers=2, device_name="cpu", **options)


def named(names: str) -> list[dict]:
    return [{"case_id": name, "image": {}} for name in names.split()]


@pytest.mark.slow
@needs_ray
def test_segmentations_are_the_same_to_the_byte_and_so_is_what_is_set_aside(
    cluster, tiny_settings, tmp_path
):
    cases = list_cases(write_cases(tmp_path / "data", "abcd"))
    settings = {**tiny_settings, "preview": True, "slicer": True}
    engines = {"here": None, "ray": engine(tmp_path / "ray")}
    for name, chosen in engines.items():
        outcomes = segment_cases(cases, tmp_path / name, settings=settings, engine=chosen)
        assert sorted(statuses(outcomes)) == [(case, OK) for case in "abcd"]
    assert written(tmp_path / "here") == written(tmp_path / "ray")
    (tmp_path / "data" / "b" / "b-t2w.nii.gz").write_bytes(b"")
    for name, chosen in engines.items():
        outcomes = segment_cases(cases, tmp_path / name, settings=settings, engine=chosen)
        assert sorted(statuses(outcomes))[1] == ("b", FAILED)
    assert written(tmp_path / "here") == written(tmp_path / "ray")
    assert (tmp_path / "ray" / "b" / "outdated" / "b.json").exists()


@pytest.mark.slow
@needs_ray
def test_reports_of_evaluations_are_the_same_to_the_byte(
    cluster, phantom_folder, tiny_settings, tmp_path
):
    cases = labelled_cases(phantom_folder)
    (tmp_path / "theirs").mkdir()
    for case in cases:
        copy = tmp_path / "theirs" / f"{case['case_id']}.nii.gz"
        copy.write_bytes(case["label"].read_bytes())
    for name in ("here", "ray"):
        chosen = engine(tmp_path / name) if name == "ray" else None
        values = {**tiny_settings, "dataset_dir": phantom_folder}
        evaluate_network(tmp_path / name, values, engine=chosen)
        given = tmp_path / f"{name}-given"
        chosen = engine(given) if name == "ray" else None
        evaluate_predictions(cases, tmp_path / "theirs", given, engine=chosen)
    assert written(tmp_path / "here") == written(tmp_path / "ray")
    assert len(written(tmp_path / "ray")) == 12
    assert written(tmp_path / "here-given") == written(tmp_path / "ray-given")


@pytest.mark.slow
@needs_ray
def test_prepared_cases_are_the_same_to_the_byte(cluster, phantom_folder, tmp_path):
    cases = list_cases(phantom_folder)
    for name in ("here", "ray"):
        chosen = engine(tmp_path / name) if name == "ray" else None
        outcomes = prepare_cases(
            cases, tmp_path / name, PrepareOptions(), task=DEFAULT_TASK, engine=chosen
        )
        assert [outcome.status for outcome in outcomes] == [OK, OK]
    assert written(tmp_path / "here") == written(tmp_path / "ray")


@pytest.mark.slow
@needs_ray
def test_a_case_that_kills_its_worker_is_tried_three_times_and_fails_alone(
    cluster, tmp_path, caplog
):
    (tmp_path / "notes").mkdir()
    cases = named("a deadly b refused c d e f")
    runner = CaseRunner(
        StandIn(tmp_path / "notes", deadly="deadly"),
        cases,
        tmp_path / "out",
        engine=engine(tmp_path / "out"),
        on_failure=NoteFailure(tmp_path / "notes"),
    )
    outcomes = {outcome.case_id: outcome for outcome in runner.run()}
    assert outcomes.keys() == {case["case_id"] for case in cases}
    failed = {name: done.reason for name, done in outcomes.items() if done.status == FAILED}
    assert failed.keys() == {"deadly", "refused"}
    assert failed["deadly"].startswith("E_WORKER_LOST: Case deadly")
    assert failed["refused"] == "E_CRC: refused must be whole."
    assert "case refused is odd" in caplog.text
    tries = {name: (tmp_path / "notes" / name).read_text().split() for name in outcomes}
    assert {name: len(found) for name, found in tries.items()} == dict.fromkeys(outcomes, 1) | {
        "deadly": 3
    }
    assert len(set(tries["deadly"])) == 3
    assert (tmp_path / "notes" / "failed-deadly").exists()


@pytest.mark.slow
@needs_ray
def test_cases_of_which_each_kills_its_worker_all_have_an_outcome_before_the_run_ends(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_engine, "TRIES", 1)  # each death takes seconds
    (tmp_path / "notes").mkdir()
    names = " ".join(f"d{number}" for number in range(12))
    taken = []

    def cases():
        for case in named(names):
            taken.append(case["case_id"])
            yield case

    known = []
    maker = WorkerMaker(StandIn(tmp_path / "notes", deadly=names))
    with pytest.raises(SetupError, match="died one after the other"):
        known += (outcome.case_id for outcome in engine(tmp_path / "out").run(maker, cases()))
    assert sorted(known) == sorted(taken)
    assert len(taken) < 12


@pytest.mark.slow
@needs_ray
def test_closing_the_engine_stops_its_workers_and_no_more_cases_were_taken_than_there_are_workers(
    cluster, tmp_path
):
    (tmp_path / "notes").mkdir()
    taken = []

    def cases():
        for case in named("a b c d e f g h"):
            taken.append(case["case_id"])
            yield case

    outcomes = engine(tmp_path / "out").run(
        WorkerMaker(StandIn(tmp_path / "notes", sleep_s=3.0)), cases()
    )
    next(outcomes)
    assert len(taken) <= 4
    outcomes.close()
    time.sleep(1)  # the order to stop is a message; a worker may just have begun
    noted = {path.name: path.read_text() for path in (tmp_path / "notes").iterdir()}
    time.sleep(4)
    assert {path.name: path.read_text() for path in (tmp_path / "notes").iterdir()} == noted
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
@needs_ray
def test_weights_that_no_worker_can_use_end_the_run_before_any_case(
    cluster, tiny_settings, tmp_path
):
    cases = list_cases(write_cases(tmp_path / "data", "a"))
    settings = {**tiny_settings, "checkpoint": tmp_path / "nowhere.pt"}
    chosen = engine(tmp_path / "out")
    with pytest.raises(SetupError, match="nowhere"):
        segment_cases(cases, tmp_path / "out", settings=settings, engine=chosen)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def two_machines(tiny_settings, tmp_path):
    """A folder for ``two_nodes`` with eight cases, and what this process makes of them."""
    if not two_nodes.can_run():
        pytest.skip("this process may not make a network and mounts of its own")
    cases = list_cases(write_cases(tmp_path / "data", "abcdefgh"))
    settings = {name: value for name, value in tiny_settings.items() if name != "checkpoint"}
    settings["checkpoint"] = str(tiny_settings["checkpoint"])
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    segment_cases(cases, tmp_path / "here", settings=tiny_settings)
    (tmp_path / "out").mkdir()
    return tmp_path


def maps_of(out):
    of_runs = ("cases.csv", "run.json")
    return {name: content for name, content in written(out).items() if name not in of_runs}


@pytest.mark.slow
@pytest.mark.server
@needs_ray
def test_of_two_machines_one_is_killed_in_the_middle_and_nothing_is_lost_or_comes_twice(
    two_machines,
):
    outcomes, said = two_nodes.run_in_namespace(two_machines, "killed")
    assert sorted((name, status) for name, status, _ in outcomes) == [(c, OK) for c in "abcdefgh"]
    nodes = [node for _, _, node in outcomes]
    assert nodes.count("second") == 1
    assert nodes.count("first") == 7
    assert "was lost" in said
    assert sorted(rows(two_machines / "out")) == list("abcdefgh")
    assert len((two_machines / "out" / "cases.csv").read_text().splitlines()) == 9
    assert maps_of(two_machines / "out") == maps_of(two_machines / "here")


@pytest.mark.slow
@pytest.mark.server
@needs_ray
def test_a_machine_that_has_another_folder_at_the_path_of_the_results_gets_no_case(two_machines):
    outcomes, said = two_nodes.run_in_namespace(two_machines, "unshared")
    assert sorted((name, status) for name, status, _ in outcomes) == [(c, OK) for c in "abcdefgh"]
    assert {node for _, _, node in outcomes} == {"first"}
    assert "one worker less: E_NOT_SHARED" in said
    assert maps_of(two_machines / "out") == maps_of(two_machines / "here")


def test_a_machine_that_does_not_see_the_output_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_worker, "sees_mark", lambda folder, mark: False)
    with pytest.raises(SetupError, match="node7 must see and write") as caught:
        ray_worker._enter(Workplace(str(tmp_path), tmp_path, "mark", 1), "node7")
    assert caught.value.code == "E_NOT_SHARED"


def test_a_machine_with_another_version_or_without_a_package_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"must have simmlm 0\.0") as caught:
        ray_worker._enter(Workplace(str(tmp_path), tmp_path, "mark", 1, "0.0"), "node7")
    assert caught.value.code == "E_CLUSTER"
    with pytest.raises(SetupError, match="nowhere_to_be_found"):
        ray_worker._made(b"cnowhere_to_be_found\nx\n.", "node7", 1)


def test_without_ray_its_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(SetupError, match=r'pip install -e "\.\[ray\]"') as caught:
        list(engine(tmp_path / "out").run(WorkerMaker(StandIn(tmp_path)), []))
    assert caught.value.code == "E_EXTRA"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1", "here:there", "127.0.0.1:700000"])
def test_an_address_at_which_there_is_no_cluster_is_refused_at_once(tmp_path, address):
    started = time.monotonic()
    with pytest.raises(SetupError, match="--address must be HOST:PORT") as caught:
        list(engine(tmp_path / "out", address=address).run(WorkerMaker(StandIn(tmp_path)), []))
    assert caught.value.code == "E_CLUSTER"
    assert time.monotonic() - started < 2 * ray_cluster._ANSWER_S


@pytest.mark.parametrize("command", ["segment", "prepare", "evaluate"])
@pytest.mark.parametrize("option", [("--address", "a:1"), ("--workers", "2")])
def test_an_option_of_ray_without_ray_is_refused(phantom_folder, tmp_path, command, option):
    done = call(command, phantom_folder, "-o", tmp_path / "out", *option)
    assert done.exit_code == 2
    assert f"E_USAGE: {option[0]} must come with --engine ray" in done.output


def test_a_certain_gpu_is_refused_where_ray_chooses(phantom_folder, tmp_path):
    with pytest.raises(UsageError, match="Ray gives"):
        RayEngine(tmp_path, device_name="cuda:1")
