from pathlib import Path

import pytest

import bundle
from bundle.cli import demo
from bundle.cli.demo import SEED, hidden_modalities, run_demo
from bundle.datasets.listing import list_cases
from bundle.errors import UsageError
from bundle.names.file_names import find_label
from bundle.tasks.default import DEFAULT_TASK

MODALITIES, HIDDEN = DEFAULT_TASK.modality_names, hidden_modalities(DEFAULT_TASK)
WEIGHTS = Path(bundle.__file__).resolve().parents[1] / "models" / "model.pt"


class StoppedError(Exception):
    """Raised where a demo would begin to draw."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return demo._draw_cases(tmp_path_factory.mktemp("demo") / "cases", HIDDEN)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name.split("-")[-1]: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_two_cases_are_one_with_and_without_the_hidden_modalities(drawn):
    whole, partial = contents(drawn / "all-four"), contents(drawn / "two-missing")
    assert set(whole) == {f"{name}.nii.gz" for name in (*MODALITIES, "seg")}
    assert set(whole) - set(partial) == {f"{modality}.nii.gz" for modality in HIDDEN}
    assert partial == {name: whole[name] for name in partial}


def test_the_two_modalities_that_show_most_are_kept():
    assert HIDDEN == ("t1n", "t2w")


@pytest.mark.slow
def test_both_cases_are_cases_with_a_label(drawn):
    cases = list_cases(drawn)
    assert [case["case_id"] for case in cases] == ["all-four", "two-missing"]
    assert all(find_label(case["image"], case["case_id"]) for case in cases)


def test_drawing_again_replaces_the_cases(tmp_path, monkeypatch):
    def write(folder: Path, n_cases: int, seed: int, shape: tuple[int, int, int]) -> list[Path]:
        case = folder / "P-1"
        case.mkdir(parents=True)
        for name in MODALITIES:
            (case / f"P-1-{name}.nii.gz").write_text(f"{seed}")
        return [case]

    monkeypatch.setattr(demo, "write_phantoms", write)
    old = tmp_path / "cases" / "all-four"
    old.mkdir(parents=True)
    (old / "P-0-t1n.nii.gz").write_text("old")
    demo._draw_cases(tmp_path / "cases", HIDDEN)
    assert set(contents(old).values()) == {str(SEED).encode()}


def test_the_columns_of_the_table_line_up():
    rows = [
        ["all-four", "0.91", "0.90", "nan", "1.0", "22.2", "333.3", "0.25", "0.25", "0.25", "0.25"],
        ["two-missing", "0.91", "0.90", "0.80", "1.0", "2.2", "3.3", "-", "0.50", "-", "0.50"],
    ]
    header, *lines = demo._table(rows, DEFAULT_TASK)
    titles = ["case", "Dice TC", "Dice WT", "Dice ET"]
    titles += ["necrotic core ml", "oedema ml", "enhancing tumour ml"]
    titles += [f"w {modality}" for modality in MODALITIES]
    starts = [header.index(title) for title in titles]
    assert starts == sorted(starts)
    for row, line in zip(rows, lines, strict=True):
        assert [line[start:].split()[0] for start in starts] == row
        assert len(line) == len(header)


@pytest.mark.parametrize(
    "names",
    [
        ["notes.txt"],
        ["results/a"],
        ["cases/patient-1/a"],
        ["cases/all-four/a", "thesis.tex"],
        ["cases"],
    ],
    ids=str,
)
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(names, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("precious")
    with pytest.raises(UsageError, match="earlier demo") as caught:
        run_demo(tmp_path, print)
    assert caught.value.exit_code == 2
    assert all((tmp_path / name).read_text() == "precious" for name in names)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "demo").write_text("precious")
    with pytest.raises(UsageError, match="earlier demo"):
        run_demo(tmp_path / "demo", print)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["cases/all-four/a"],
        ["cases/drawing/a"],
        ["cases/all-four/a", "cases/two-missing/a", "results/a"],
    ],
    ids=str,
)
def test_a_new_folder_or_an_earlier_demo_is_taken(names, tmp_path, monkeypatch):
    def stop(folder: Path, hidden: tuple[str, ...]) -> Path:
        raise StoppedError(folder)

    monkeypatch.setattr(demo, "_draw_cases", stop)
    (tmp_path / "demo").mkdir()
    for name in names:
        (tmp_path / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / name).write_text("")
    for out in (tmp_path / "demo", tmp_path / "new"):
        with pytest.raises(StoppedError):
            run_demo(out, print)


@pytest.mark.slow
@pytest.mark.skipif(
    not WEIGHTS.is_file(),
    reason="the demo uses the shipped weights, and models/model.pt is not here",
)
def test_the_demo_prints_a_table_of_both_cases_and_leaves_their_pictures(tmp_path):
    lines: list[str] = []
    run_demo(tmp_path / "demo", lines.append)
    rows = {
        line.split()[0]: line.split()
        for line in lines
        if line.startswith(("all-four", "two-missing"))
    }
    assert "-" not in rows["all-four"]
    weights = dict(zip(MODALITIES, rows["two-missing"][-len(MODALITIES) :], strict=True))
    assert {modality for modality, weight in weights.items() if weight == "-"} == set(HIDDEN)
    for name in rows:
        assert (tmp_path / "demo" / "results" / name / f"{name}_preview.png").stat().st_size > 0
