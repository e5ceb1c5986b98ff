"""Several processes share the cases and the folder; together they do what one would do."""

import csv
import json

import pytest

from bundle.cohorts.batch_rules import batch_rules
from bundle.cohorts.run_record import RunRecord
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.shard import Shard
from bundle.errors import OutputError, UsageError
from bundle.files.folder_owner import part_owner
from bundle.outputs.run_files import FAILED, OK
from tests.cohorts.test_case_outcome import RESULT
from tests.files.test_folder_owner import started

NAMES = [f"case-{number}" for number in range(20)]


def run(tmp_path, shard=None, *, settings="same", names=NAMES, bad=()):
    def run_case(case):
        if case["case_id"] in bad:
            raise ZeroDivisionError("-1, of all things")
        return RESULT

    runner = CaseRunner(
        lambda: run_case,
        [{"case_id": name, "image": {}} for name in names],
        tmp_path / "out",
        identity={"version": "1", "settings": settings},
        rules=batch_rules(shard=shard),
    )
    return runner.run()


def table(tmp_path, name="cases.csv"):
    with (tmp_path / "out" / name).open(newline="") as file:
        return [(row["case_id"], row["status"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_each_case_is_in_one_shard_whatever_other_cases_there_are(of):
    shards = [Shard(number, of) for number in range(1, of + 1)]
    assert all(sum(shard.has(name) for shard in shards) == 1 for name in [*NAMES, "\udc80", ""])


def test_the_shares_are_about_equal():
    names = [f"BraTS-GLI-{number:05d}-000" for number in range(3000)]
    sizes = [sum(Shard(number, 3).has(name) for name in names) for number in (1, 2, 3)]
    assert max(sizes) - min(sizes) < 150


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "1/3x", "-1/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="A shard must be I/N"):
        Shard.parse(text)


def test_the_shard_that_ends_last_joins_the_tables_in_the_order_of_the_cases(tmp_path):
    bad = NAMES[4:6]
    for shard in ("2/3", "3/3"):
        run(tmp_path, shard, bad=bad)
        assert not (tmp_path / "out" / "cases.csv").exists()
    run(tmp_path, "1/3", bad=bad)
    assert table(tmp_path) == [(name, FAILED if name in bad else OK) for name in NAMES]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (record["state"], record["counts"]["in"]) == ("finished", len(NAMES))
    alone = tmp_path / "alone"
    run(alone, bad=bad)
    joined, whole = (folder / "out" / "cases.csv" for folder in (tmp_path, alone))
    assert joined.read_bytes() == whole.read_bytes()


def test_a_shard_without_a_case_hinders_nobody(tmp_path):
    for number in range(1, 6):
        run(tmp_path, f"{number}/5", names=NAMES[:1])
    assert table(tmp_path) == [(NAMES[0], OK)]


def test_a_shard_that_ran_with_other_settings_is_not_joined(tmp_path):
    run(tmp_path, "1/2", settings="other")
    run(tmp_path, "2/2")
    assert not (tmp_path / "out" / "cases.csv").exists()
    run(tmp_path, "1/2")
    assert len(table(tmp_path)) == len(NAMES)


OTHER = """
import sys, pathlib
from bundle.files.folder_owner import part_owner
with part_owner(pathlib.Path(sys.argv[1]), "{part}", lambda others: None):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("part", "settings", "joins"),
    [("2-of-3", "same", True), ("2-of-3", "other", False), ("2-of-2", "same", False)],
)
def test_a_shard_joins_only_shards_of_the_same_run(tmp_path, part, settings, joins):
    (tmp_path / "out").mkdir()
    number, of = part.split("-of-")
    identity = {"version": "1", "settings": settings}
    RunRecord(tmp_path / "out", identity, Shard(int(number), int(of))).begin(0)
    with started(OTHER.format(part=part), tmp_path / "out"):
        if joins:
            assert all(outcome.status == OK for outcome in run(tmp_path, "1/3"))
        else:
            with pytest.raises(OutputError, match=r"Shards in .* must be of one run") as caught:
                run(tmp_path, "1/3")
            assert caught.value.code == "E_BUSY"


def test_a_whole_run_is_refused_beside_a_shard_and_forgets_shards_that_ended(tmp_path):
    run(tmp_path, "1/2")
    with part_owner(tmp_path / "out", "2-of-2", lambda others: None):
        pass
    with started(OTHER.format(part="2-of-2"), tmp_path / "out"), pytest.raises(OutputError):
        run(tmp_path)
    run(tmp_path)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cases.csv", "run.json"}


def test_what_a_killed_shard_left_is_swept_by_who_is_alone_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("bundle.files.folder_owner._NEW_S", 0.0)
    stray = tmp_path / "out" / NAMES[0] / ".simmlm-half"
    stray.mkdir(parents=True)
    with started(OTHER.format(part="2-of-2"), tmp_path / "out"):
        identity = {"version": "1", "settings": "same"}
        RunRecord(tmp_path / "out", identity, Shard(2, 2)).begin(0)
        run(tmp_path, "1/2")
        assert stray.is_dir()  # it may be the other's
    run(tmp_path, "1/2")
    assert not stray.exists()
