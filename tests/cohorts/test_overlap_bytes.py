"""Real cases run one after the other and overlapping become the same files."""

import json
import re

import pytest

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.cohorts.engines import SerialEngine
from bundle.cohorts.overlap import OverlappingEngine
from bundle.datasets.listing import list_cases
from bundle.files import staged_folder
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.outputs.facts_file import FactsFile
from bundle.outputs.run_files import FAILED, OK
from bundle.preparing.options import PrepareOptions
from tests.cohorts.test_overlap import threads
from tests.cohorts.test_runner import statuses, write_cases

ENGINES = {"serial": SerialEngine(), "overlapping": OverlappingEngine()}


def contents(folder):
    """Return the bytes of all files, but for times and the folder's name."""
    times = rb'"reading_to_maps": [0-9.]+|"(?:started|ended)": "[^"]+"|'
    differs = re.compile(times + re.escape(str(folder)).encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): differs.sub(b"", path.read_bytes()) for path in files
    }


def segment_by_each(cases, tmp_path, settings, **options):
    """Segment by both engines into folders of the same name, and return what each became."""
    found = {}
    for name, engine in ENGINES.items():
        out = tmp_path / name / "out"
        outcomes = segment_cases(cases, out, settings=settings, engine=engine, **options)
        found[name] = (statuses(outcomes), [o.reason for o in outcomes], contents(out))
    return found["serial"], found["overlapping"]


def test_all_files_are_the_same_also_of_a_batch_with_failures(tiny_settings, tmp_path, monkeypatch):
    """Of six, c cannot be read, d cannot be computed and e cannot be written."""
    compute, write = MixtureInferer.__call__, FactsFile.write
    n_computed = []

    def computed(self, *arguments, **options):
        n_computed.append(1)
        if len(n_computed) == 3:  # a, b, d
            raise ZeroDivisionError("of all things")
        return compute(self, *arguments, **options)

    def written(self, folder, result):
        if result.record.case_id == "e":
            raise OSError(13, "Permission denied")
        write(self, folder, result)

    monkeypatch.setattr(MixtureInferer, "__call__", computed)
    monkeypatch.setattr(FactsFile, "write", written)
    cases = list_cases(write_cases(tmp_path / "data", "abcdef"))
    (tmp_path / "data" / "c" / "c-t2w.nii.gz").write_bytes(b"")
    settings = {**tiny_settings, "bids": True}
    found = []
    for name, engine in ENGINES.items():
        n_computed.clear()
        out = tmp_path / name / "out"
        outcomes = segment_cases(cases, out, settings=settings, engine=engine)
        expected = [(case, FAILED if case in "cde" else OK) for case in "abcdef"]
        assert statuses(outcomes) == expected
        found.append(([o.reason.replace(str(out), "") for o in outcomes], contents(out)))
    assert found[0][0] == found[1][0]
    assert found[0][1].keys() == found[1][1].keys()
    assert [path for path in found[0][1] if found[0][1][path] != found[1][1][path]] == []
    assert {"a/a_seg.nii.gz", "f/f.json", "cases.csv"} <= found[1][1].keys()
    assert json.loads((out / "a" / "a.json").read_text())["seconds"]["reading_to_maps"] > 0
    assert not any(path.startswith(("c/", "d/", "e/")) for path in found[1][1])


@pytest.mark.slow
def test_prepared_cases_are_the_same(phantom_folder, tiny_settings, tmp_path):
    cases = list_cases(phantom_folder)
    serial, overlapping = segment_by_each(cases, tmp_path, tiny_settings, prepare=PrepareOptions())
    assert [status for _, status in serial[0]] == [OK, OK]
    assert serial[0] == overlapping[0]
    assert serial[2].keys() == overlapping[2].keys()
    maps = [path for path in serial[2] if path.endswith(".nii.gz")]
    assert len(maps) == 2 * (6 + 4)
    assert all(serial[2][path] == overlapping[2][path] for path in maps)


def test_a_result_that_must_stay_is_refused_before_anything_is_computed(
    tiny_settings, tmp_path, monkeypatch
):
    computed = []
    compute = MixtureInferer.__call__
    monkeypatch.setattr(
        MixtureInferer,
        "__call__",
        lambda self, *rest, **more: computed.append(1) or compute(self, *rest, **more),
    )
    cases = list_cases(write_cases(tmp_path / "data", "ab"))
    theirs = tmp_path / "out" / "b" / "b_seg.nii.gz"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"of an expert")
    outcomes = segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    assert statuses(outcomes) == [("a", OK), ("b", FAILED)]
    assert outcomes[1].reason.startswith("E_EXISTS")
    assert len(computed) == 1
    assert theirs.read_bytes() == b"of an expert"


@pytest.mark.parametrize("names", ["aa", "ab"])
def test_two_images_under_one_name_are_one_result_and_one_refusal(tiny_settings, tmp_path, names):
    write_cases(tmp_path / "data", "ab")
    images = [tmp_path / "data" / name / f"{name}-t2w.nii.gz" for name in names]
    cases = [{"case_id": "x", "image": {"t2w": image}} for image in images]
    outcomes = segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    expected = [OK, OK if names == "aa" else FAILED]
    assert [outcome.status for outcome in outcomes] == expected
    assert names == "aa" or outcomes[1].reason.startswith("E_EXISTS")


def test_an_interrupted_run_leaves_whole_cases_and_nothing_hidden(
    tiny_settings, tmp_path, monkeypatch
):
    compute, n_computed = MixtureInferer.__call__, []

    def computed(self, *arguments, **options):
        n_computed.append(1)
        if len(n_computed) == 3:
            raise KeyboardInterrupt
        return compute(self, *arguments, **options)

    monkeypatch.setattr(MixtureInferer, "__call__", computed)
    cases = list_cases(write_cases(tmp_path / "data", "abcde"))
    with pytest.raises(KeyboardInterrupt):
        segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    assert threads() == []
    left = [path for path in (tmp_path / "out").rglob("*") if staged_folder.PREFIX in path.name]
    assert left == []
    assert (tmp_path / "out" / "a" / "a.json").exists()
    for folder in (path for path in (tmp_path / "out").iterdir() if path.is_dir()):
        assert (folder / f"{folder.name}.json").exists()
    assert not (tmp_path / "out" / "d").exists()
