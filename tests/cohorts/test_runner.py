import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.cohorts.runner import CaseRunner, exit_if_failed
from bundle.datasets.case_files import case_files
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError, OutputError, SetupError
from bundle.files.folder_owner import sole_owner
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.outputs.run_files import FAILED, OK
from tests.volumes.nifti_samples import save, scan

ROOT = Path(bundle.__file__).parents[1]
RESULT = {
    "modalities": ["t1c", "t2f"],
    "volumes_ml": {"necrotic core": 1.0, "oedema": 2.5, "enhancing tumour": 0.25},
    "warnings": ["t1c: odd", "t2f: odd\x1b[2J"],
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
    outcomes = segment_cases(
        list_cases(tmp_path / "data"), tmp_path / "out", settings=tiny_settings
    )
    assert statuses(outcomes) == [(name, FAILED if name in bad else OK) for name in "abcd"]
    assert [o.result["case_id"] for o in outcomes if o.result] == [
        name for name in "abcd" if name not in bad
    ]
    assert all(
        (tmp_path / "out" / name / f"{name}.json").exists() == (name not in bad) for name in "abcd"
    )


def test_an_unexpected_exception_is_reported_and_the_batch_goes_on(
    tiny_settings, tmp_path, monkeypatch, caplog
):
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
        list_cases(write_cases(tmp_path / "data", "a") / "a"),
        tmp_path / "out",
        settings=tiny_settings,
    )
    facts = json.loads((tmp_path / "out" / "a" / "a.json").read_text())
    assert {key: facts[key] for key in outcome.result} == outcome.result
    assert list(outcome.row().values())[3:] == [
        "t2w",
        len(facts["warnings"]),
        *facts["volumes_ml"].values(),
    ]


def test_unusable_weights_are_a_setup_error_before_any_case(tiny_settings, tmp_path):
    cases = list_cases(write_cases(tmp_path / "data"))
    with pytest.raises(SetupError, match="nowhere"):
        segment_cases(
            cases,
            tmp_path / "out",
            settings={**tiny_settings, "checkpoint": tmp_path / "nowhere.pt"},
        )
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("as_files", [False, True], ids=["folder", "files"])
def test_a_case_whose_results_would_go_among_its_images_stops_the_run(
    tiny_settings, tmp_path, as_files
):
    (folder,) = write_cases(tmp_path / "data", "a").iterdir()
    image = {"t2w": folder / "a-t2w.nii.gz"} if as_files else folder
    with pytest.raises(OutputError, match="among the images"):
        segment_cases(
            ({"case_id": "a", "image": image},),
            tmp_path / "x" / ".." / "data",
            settings=tiny_settings,
        )
    assert [path.name for path in folder.iterdir()] == ["a-t2w.nii.gz"]


def test_only_a_failed_case_ends_the_program():
    exit_if_failed([CaseOutcome("a", OK)])
    with pytest.raises(SystemExit) as caught:
        exit_if_failed([CaseOutcome("a", OK), CaseOutcome("b", FAILED)])
    assert caught.value.code == 1


def run(tmp_path, case_ids, run_case, **options):
    cases = [{"case_id": case_id, "image": {}} for case_id in case_ids]
    return CaseRunner(lambda: run_case, cases, tmp_path / "out", **options).run()


def table(tmp_path):
    with (tmp_path / "out" / "cases.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ODD = ["a\0b", "a\ud800b", "..", "a/b", "", ".x", "cases.csv", "Cases.CSV"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_name_that_no_folder_can_have_fails_alone_before_anything_is_computed(
    tmp_path, odd, place
):
    names = ["a", "b"]
    names.insert(place, odd)
    asked = []
    outcomes = run(tmp_path, names, lambda case: asked.append(case["case_id"]) or RESULT)
    assert [outcome.status for outcome in outcomes] == [
        FAILED if name == odd else OK for name in names
    ]
    assert outcomes[place].reason.startswith("E_CASE_ID")
    assert asked == ["a", "b"]
    assert len(table(tmp_path)) == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "E_MEMORY"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"
            ),
            "E_MEMORY",
        ),
        (OSError(36, "File name too long", "x" * 300), "E_IO"),
        (PermissionError(13, "Permission denied", "x"), "E_IO"),
        (RecursionError("deep"), "E_UNEXPECTED"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "E_UNEXPECTED"),
        (ValueError("\ud800\x1b[2J"), "E_UNEXPECTED"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_whatever_a_case_raises_fails_that_case_and_the_table_has_all(
    tmp_path, error, code, caplog
):
    def fail(case):
        if case["case_id"] == "b":
            raise RuntimeError("applying transform") from error
        return RESULT

    outcomes = run(tmp_path, "abc", fail)
    assert [outcome.status for outcome in outcomes] == [OK, FAILED, OK]
    assert [row["reason"].partition(":")[0] for row in table(tmp_path)] == ["", code, ""]
    assert ("Traceback" in caplog.text) == (code == "E_UNEXPECTED")


def test_a_problem_found_while_listing_fails_that_case_alone(tiny_settings, tmp_path):
    cases = list(list_cases(write_cases(tmp_path / "data", "abc")))
    cases[1]["problem"] = CaseError("E_FILE_NAME", "b must have a name.")
    outcomes = segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [
        (OK, ""),
        (FAILED, "E_FILE_NAME: b must have a name."),
        (OK, ""),
    ]


@pytest.mark.slow
def test_a_second_process_finds_the_output_taken_and_starts_nothing(tmp_path):
    (tmp_path / "out").mkdir()
    script = (
        "import sys; from bundle.cohorts.runner import CaseRunner; from bundle.errors import"
        " OutputError\ntry: CaseRunner(print, [{'case_id': 'a', 'image': {}}],"
        " sys.argv[1]).run()\nexcept OutputError as error: sys.exit(f'{error.code}"
        " {error.exit_code}')"
    )
    with sole_owner(tmp_path / "out"):
        second = subprocess.run(
            [sys.executable, "-c", script, tmp_path / "out"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert second.stderr.strip() == "E_BUSY 74"
    assert second.stdout == ""
    assert not (tmp_path / "out" / "cases.csv").exists()


def test_what_a_killed_run_left_is_gone_after_the_next_one(tmp_path):
    left = tmp_path / "out" / "a" / ".simmlm-left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    run(tmp_path, "a", lambda case: RESULT)
    assert not left.exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "cases.csv"]


@pytest.mark.parametrize(
    "content", ["case_id,t1c\na,/data/a.nii.gz\n", "", "status,case_id,reason\n", "\x89PNG"]
)
def test_a_table_of_somebody_else_is_never_replaced(tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cases.csv").write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match=r"cases\.csv must be a table of this program") as caught:
        run(tmp_path, "a", lambda case: RESULT)
    assert (caught.value.code, caught.value.exit_code) == ("E_EXISTS", 74)
    assert (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8") == content


def test_nobody_who_listens_is_no_reason_to_stop(tmp_path):
    def broken(outcome):
        raise BrokenPipeError(32, "Broken pipe")

    assert [
        outcome.status for outcome in run(tmp_path, "ab", lambda case: RESULT, report=broken)
    ] == [OK, OK]


def test_results_are_for_whom_the_umask_says(tiny_settings, tmp_path):
    cases = list_cases(write_cases(tmp_path / "data", "a"))
    before = os.umask(0o077)
    try:
        segment_cases(cases, tmp_path / "out", settings={**tiny_settings, "bids": True})
    finally:
        os.umask(before)
    written = list((tmp_path / "out").rglob("*"))
    assert len(written) > 10
    assert [str(path) for path in written if path.stat().st_mode & 0o077] == []


def result_of(tmp_path, name="a"):
    folder = tmp_path / "out" / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def segment(tmp_path, tiny_settings, name="a", **settings):
    cases = list_cases(tmp_path / "data" / name)
    return segment_cases(cases, tmp_path / "out", settings={**tiny_settings, **settings})[0]


@pytest.mark.slow
def test_the_older_result_of_a_case_that_now_fails_is_set_aside_and_comes_back_with_the_next_success(
    tiny_settings, tmp_path
):
    write_cases(tmp_path / "data", "ab")
    image = tmp_path / "data" / "a" / "a-t2w.nii.gz"
    good = image.read_bytes()
    segment(tmp_path, tiny_settings, preview=True)
    before = result_of(tmp_path)
    (tmp_path / "out" / "a" / "a_corrected.nii.gz").write_bytes(b"of an expert")
    image.write_bytes(b"")
    assert segment(tmp_path, tiny_settings).status == FAILED
    aside = {f"outdated/{name}": content for name, content in before.items()}
    assert result_of(tmp_path) == {**aside, "a_corrected.nii.gz": b"of an expert"}
    assert segment(tmp_path, tiny_settings).status == FAILED  # nothing left to set aside
    assert result_of(tmp_path) == {**aside, "a_corrected.nii.gz": b"of an expert"}
    image.write_bytes(good)
    assert segment(tmp_path, tiny_settings, preview=True).status == OK
    assert set(result_of(tmp_path)) == {*before, "a_corrected.nii.gz"}


def test_the_result_of_another_input_stays_and_both_are_named(tiny_settings, tmp_path):
    write_cases(tmp_path / "data", "ab")
    one, two = (tmp_path / "data" / name / f"{name}-t2w.nii.gz" for name in "ab")
    out = tmp_path / "out"
    assert (
        segment_cases(({"case_id": "x", "image": {"t2w": one}},), out, settings=tiny_settings)[
            0
        ].status
        == OK
    )
    before = result_of(tmp_path, "x")
    other = ({"case_id": "x", "image": {"t2w": two}},)
    (outcome,) = segment_cases(other, out, settings=tiny_settings)
    assert outcome.reason.startswith("E_EXISTS: Case x")
    assert str(one) in outcome.reason
    assert str(two) in outcome.reason
    assert result_of(tmp_path, "x") == before
    two.write_bytes(b"damaged")  # now it fails while it is read: still another input
    assert segment_cases(other, out, settings=tiny_settings)[0].status == FAILED
    assert result_of(tmp_path, "x") == before
    save(two, data=scan(seed=9))
    assert segment_cases(other, out, settings={**tiny_settings, "overwrite": True})[0].status == OK
    assert json.loads((out / "x" / "x.json").read_text())["inputs"]["t2w"]["file"] == str(two)


def test_a_result_that_would_be_refused_is_refused_before_it_is_computed(
    tiny_settings, tmp_path, monkeypatch
):
    write_cases(tmp_path / "data", "a")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "a_seg.nii.gz").write_bytes(b"of an expert")
    monkeypatch.setattr(MixtureInferer, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    outcome = segment(tmp_path, tiny_settings, overwrite=True)
    assert outcome.reason.startswith("E_EXISTS")
    assert result_of(tmp_path) == {"a_seg.nii.gz": b"of an expert"}


def test_a_name_too_long_for_its_files_is_refused_before_it_is_computed_and_leaves_no_folder(
    tiny_settings, tmp_path, monkeypatch
):
    name = "c" * 238
    write_cases(tmp_path / "data", "a")
    monkeypatch.setattr(MixtureInferer, "__call__", lambda *args, **kwargs: pytest.fail("computed"))
    cases = ({"case_id": name, "image": {"t2w": tmp_path / "data" / "a" / "a-t2w.nii.gz"}},)
    (outcome,) = segment_cases(cases, tmp_path / "out", settings=tiny_settings)
    assert outcome.reason.startswith("E_CASE_ID")
    assert "238 bytes" in outcome.reason
    assert not any(path.is_dir() for path in (tmp_path / "out").iterdir())


def test_volumes_without_each_modality_stand_in_the_json_where_they_are_asked_for(
    phantom_folder, tiny_settings, tmp_path
):
    (case,) = list_cases(phantom_folder)[:1]
    settings = {**tiny_settings, "volumes_per_set": True}
    (outcome,) = segment_cases((case,), tmp_path / "out", settings=settings)
    volumes = outcome.result["volumes_without_ml"]
    assert list(volumes) == outcome.result["modalities"]
    for name, labels in volumes.items():
        image = {m: path for m, path in case_files(case).items() if m != name}
        fewer = ({"case_id": "fewer", "image": image},)
        (alone,) = segment_cases(
            fewer, tmp_path / "out", settings={**tiny_settings, "overwrite": True}
        )
        # The brain's box, and so the place of the windows, is that of all modalities.
        assert labels == pytest.approx(alone.result["volumes_ml"], rel=0.02, abs=0.2)
        doubt = outcome.result["mean_entropies_without"][name]
        assert doubt == pytest.approx(alone.result["mean_entropy_in_tumour"], rel=0.05)


def test_of_one_modality_alone_there_is_nothing_to_leave_out_and_the_result_says_so(
    phantom_folder, tiny_settings, tmp_path
):
    (case,) = list_cases(phantom_folder)[:1]
    one = ({"case_id": "one", "image": {"t2f": case_files(case)["t2f"]}},)
    settings = {**tiny_settings, "volumes_per_set": True}
    (outcome,) = segment_cases(one, tmp_path / "out", settings=settings)
    assert outcome.result["volumes_without_ml"] == {}
    assert any("there is no result without it" in text for text in outcome.result["warnings"])
