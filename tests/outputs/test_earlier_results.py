"""What is in a case's folder from before is replaced, refused or set aside, never mixed up."""

import json
import os
from pathlib import Path

import pytest

from bundle.errors import CaseError, OutputError
from bundle.outputs import publication as publishing
from bundle.outputs.earlier_results import read_result, set_aside
from bundle.outputs.recorded_inputs import is_same_input
from bundle.tasks.default import DEFAULT_TASK
from tests.outputs.test_map_writer import make_case, names, writer

NOTE = ".simmlm.unfinished"
OTHER = {"file": "/data/other.nii.gz", "sha256": "ef" * 32}
SAME = {"file": "/data/t1c.nii.gz", "sha256": "ab" * 32}
MOVED = {**SAME, "file": "/elsewhere/t1c.nii.gz"}
MENDED = {**SAME, "sha256": "cd" * 32}


def with_inputs(inputs, *, case_id="case7"):
    case = make_case(tuple(inputs), case_id=case_id)
    record = json.loads(case["record"])
    return {**case, "record": json.dumps({**record, "inputs": inputs})}


def write(folder, inputs, **options):
    return writer(folder, **options).write(with_inputs(inputs))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("earlier", "now", "same"),
    [
        ({"t1c": SAME}, {"t1c": SAME}, True),
        ({"t1c": SAME}, {"t1c": MOVED}, True),
        ({"t1c": SAME}, {"t1c": MENDED}, True),
        ({"t1c": SAME}, {"t1c": OTHER}, False),
        ({"t1c": SAME, "t2f": OTHER}, {"t1c": SAME}, True),
        ({"t1c": SAME}, {"t1c": SAME, "t2f": OTHER}, True),
        ({"t1c": SAME, "t2f": SAME}, {"t1c": SAME, "t2f": OTHER}, False),
        ({"t1c": SAME}, {"t2f": SAME}, False),
        ({}, {"t1c": SAME}, False),
        ({"t1c": {**SAME, "channel": 1}}, {"t1c": {**SAME, "channel": 2}}, False),
        (
            {"t1c": {"file": "array", "sha256": "1"}},
            {"t1c": {"file": "array", "sha256": "2"}},
            False,
        ),
        ({"t1c": "odd"}, {"t1c": SAME}, False),
    ],
)
def test_an_input_is_the_same_by_its_paths_or_by_its_bytes(earlier, now, same):
    assert is_same_input(earlier, now) == same


@pytest.mark.parametrize("now", [SAME, MOVED])
def test_a_result_of_the_same_bytes_is_replaced_without_a_word(tmp_path, now):
    write(tmp_path, {"t1c": SAME})
    folder = write(tmp_path, {"t1c": now})
    assert read_result(folder, "case7")["inputs"]["t1c"] == now


def test_a_file_that_one_patient_after_the_other_is_copied_over_does_not_replace_results(tmp_path):
    folder = write(tmp_path, {"t1c": SAME})
    with pytest.raises(CaseError, match=r"an older content of the same files.*--overwrite"):
        write(tmp_path, {"t1c": MENDED})
    assert read_result(folder, "case7")["inputs"]["t1c"] == SAME
    write(tmp_path, {"t1c": MENDED}, overwrite=True)
    assert read_result(folder, "case7")["inputs"]["t1c"] == MENDED


def test_a_result_of_another_input_is_replaced_only_if_asked_for(tmp_path):
    folder = write(tmp_path, {"t1c": SAME})
    before = contents(folder)
    with pytest.raises(
        CaseError, match=r"/data/t1c\.nii\.gz; got /data/other\.nii\.gz.*--overwrite"
    ) as caught:
        write(tmp_path, {"t1c": OTHER})
    assert caught.value.code == "E_EXISTS"
    assert contents(folder) == before
    write(tmp_path, {"t1c": OTHER}, overwrite=True)
    assert read_result(folder, "case7")["inputs"]["t1c"] == OTHER


FOREIGN_JSON = [
    "{}",
    "[]",
    "no JSON",
    '{"EchoTime": 0.01, "inputs": 3}',
    '{"versions": {"other": "1"}}',
    "\ufeff{}",
    "",
]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "case7_seg.nii.gz",
        "case7_entropy.nii.gz",
        "case7_weight-t2w.nii.gz",
        "case7_weight-t1c-WT.nii.gz",
        "case7_preview.png",
        "case7.seg.nrrd",
        "load_in_slicer.py",
        "case7.json",
    ],
)
def test_a_file_of_somebody_else_is_neither_replaced_nor_removed(tmp_path, name, overwrite):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / name).write_bytes(b"of an expert")
    with pytest.raises(CaseError, match=f"{name} must be a result of this program") as caught:
        write(tmp_path, {"t1c": SAME}, overwrite=overwrite)
    assert caught.value.code == "E_EXISTS"
    assert contents(tmp_path) == {f"case7/{name}": b"of an expert"}


@pytest.mark.parametrize("text", FOREIGN_JSON)
def test_a_json_of_somebody_else_protects_what_lies_beside_it(tmp_path, text):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / "case7.json").write_text(text, encoding="utf-8")
    (tmp_path / "case7" / "case7_seg.nii.gz").write_bytes(b"of an expert")
    before = contents(tmp_path)
    with pytest.raises(CaseError, match="must be a result of this program"):
        write(tmp_path, {"t1c": SAME}, overwrite=True)
    assert contents(tmp_path) == before


def test_a_link_to_nowhere_is_a_file_too(tmp_path):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / "case7_seg.nii.gz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CaseError, match="must be a result of this program"):
        write(tmp_path, {"t1c": SAME})


def test_a_map_that_was_added_beside_a_result_is_not_the_results(tmp_path):
    folder = write(tmp_path, {"t1c": SAME})
    (folder / "case7_weight-t2w.nii.gz").write_bytes(b"of an expert")
    with pytest.raises(CaseError, match=r"case7_weight-t2w\.nii\.gz must be"):
        write(tmp_path, {"t1c": SAME})


class KilledError(BaseException):
    """Stands for kill -9: nothing is cleaned up after it in these tests."""


@pytest.mark.parametrize("n_moves", range(6))
@pytest.mark.parametrize("earlier", [None, ("t1c", "t2f")])
@pytest.mark.parametrize("inputs", [{"t1c": SAME}, {"t1c": OTHER}], ids=["same", "other"])
def test_a_run_that_was_killed_while_it_replaced_files_can_be_repeated(
    tmp_path, monkeypatch, n_moves, earlier, inputs
):
    """The maps then lie there without their JSON; they are nobody else's."""
    if earlier:
        write(tmp_path, dict.fromkeys(earlier, SAME) | {"t2f": OTHER}, preview=False)
    with monkeypatch.context() as patch:
        kill_at(patch, n_moves)
        with pytest.raises(KilledError):
            write(tmp_path, {"t1c": SAME})
    folder = tmp_path / "case7"
    if not (folder / "case7.json").exists():
        write(tmp_path, inputs)
        expected = write(tmp_path / "fresh", inputs)
        assert contents(folder) == contents(expected)
    else:
        assert set(json.loads((folder / "case7.json").read_bytes())["maps"]) <= set(names(folder))


def kill_at(patch, n_moves):
    original, moves = Path.replace, []

    def replace(path, target):
        if path.parent.name.startswith(".simmlm-"):
            if len(moves) == n_moves:
                raise KilledError
            moves.append(target)
        return original(path, target)

    def finish(*args):
        raise KilledError

    patch.setattr(Path, "replace", replace)
    patch.setattr(publishing, "mark_finished", finish)


def test_the_note_of_a_killed_run_does_not_cover_files_that_it_does_not_name(tmp_path):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / NOTE).write_text('["case7_entropy.nii.gz", "../x", 3]')
    (tmp_path / "case7" / "case7_seg.nii.gz").write_bytes(b"of an expert")
    with pytest.raises(CaseError, match=r"case7_seg\.nii\.gz must be"):
        write(tmp_path, {"t1c": SAME})


def test_no_note_is_left_after_a_run(tmp_path):
    folder = write(tmp_path, {"t1c": SAME})
    assert not any(name.startswith(".") for name in names(folder))


def fail(folder, image, error=None):
    set_aside({"case_id": "case7", "image": image}, error or CaseError("E_CRC", "damaged"), folder)


def test_a_result_whose_case_fails_moves_as_a_whole_and_nothing_else_does(tmp_path):
    folder = write(tmp_path, dict.fromkeys(DEFAULT_TASK.modality_names, SAME), slicer=True)
    before = contents(folder)
    (folder / "notes.txt").write_bytes(b"mine")
    fail(tmp_path, {"t1c": Path("/data/t1c.nii.gz")})
    assert contents(folder) == {
        **{f"outdated/{name}": text for name, text in before.items()},
        "notes.txt": b"mine",
    }


@pytest.mark.parametrize(
    ("image", "error"),
    [
        ({"t1c": Path("/data/other.nii.gz")}, CaseError("E_CRC", "damaged")),
        ({"t1c": Path("/data/t1c.nii.gz")}, CaseError("E_EXISTS", "of another input")),
        ({"t1c": Path("/data/t1c.nii.gz")}, CaseError("E_CASE_ID", "odd")),
    ],
    ids=["other input", "refused", "odd name"],
)
def test_the_result_of_another_case_stays_where_it_is(tmp_path, image, error):
    folder = write(tmp_path, {"t1c": SAME})
    before = contents(folder)
    fail(tmp_path, image, error)
    assert contents(folder) == before


def test_what_nobody_knows_the_files_of_is_taken_for_the_same_case(tmp_path):
    folder = write(tmp_path, {"t1c": SAME})
    fail(tmp_path, Path("/data/gone"))
    assert names(folder) == ["outdated"]


def test_files_of_others_are_never_set_aside(tmp_path):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / "case7.json").write_text("{}")
    (tmp_path / "case7" / "case7_seg.nii.gz").write_bytes(b"of an expert")
    fail(tmp_path, Path("/data/gone"))
    assert names(tmp_path / "case7") == ["case7.json", "case7_seg.nii.gz"]


def test_outdated_results_of_two_inputs_are_both_kept_and_only_ones_own_goes(tmp_path):
    write(tmp_path, {"t1c": SAME})
    fail(tmp_path, Path("/data/gone"))
    folder = write(tmp_path, {"t1c": OTHER})
    assert "outdated" in names(folder)
    fail(tmp_path, Path("/data/gone"))
    assert names(folder) == ["outdated", "outdated-2"]
    write(tmp_path, {"t1c": SAME})
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["outdated-2"]


def test_a_kill_while_a_result_is_set_aside_leaves_nothing_that_stands_in_the_way(
    tmp_path, monkeypatch
):
    folder = write(tmp_path, {"t1c": SAME})
    original = Path.replace
    with monkeypatch.context() as patch:
        moved = []

        def replace(path, target):
            if len(moved) == 2:
                raise KilledError
            moved.append(path)
            return original(path, target)

        patch.setattr(Path, "replace", replace)
        with pytest.raises(KilledError):
            fail(tmp_path, Path("/data/gone"))
    assert not (folder / "case7.json").exists()
    write(tmp_path, {"t1c": SAME})
    assert contents(folder) == contents(write(tmp_path / "fresh", {"t1c": SAME}))


def test_a_result_that_cannot_be_moved_is_a_warning_and_no_error(tmp_path, monkeypatch, caplog):
    write(tmp_path, {"t1c": SAME})

    def refuse(*args):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    fail(tmp_path, Path("/data/gone"))
    assert "outdated, and stays: Read-only file system" in caplog.text


@pytest.mark.parametrize("n_bytes", [236, 237, 238, 251, 256, 400])
def test_a_name_leaves_room_for_the_names_of_its_files_or_is_refused_with_nothing_left(
    tmp_path, n_bytes
):
    limit = os.pathconf(tmp_path, "PC_NAME_MAX")
    case = with_inputs({"t1c": SAME}, case_id="c" * n_bytes)
    if n_bytes + len("_weight-t1c.nii.gz") <= limit:
        assert writer(tmp_path / "out").write(case).is_dir()
        return
    with pytest.raises(CaseError, match=f"{n_bytes} bytes") as caught:
        writer(tmp_path / "out").write(case)
    assert caught.value.code == "E_CASE_ID"
    assert not (tmp_path / "out").exists()


def test_a_file_where_the_folder_should_be_is_an_output_error(tmp_path):
    (tmp_path / "case7").write_text("in the way")
    with pytest.raises(
        OutputError, match="case7 must be writable; got: a part of the path is a file"
    ):
        write(tmp_path, {"t1c": SAME})
