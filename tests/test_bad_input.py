"""One good case among many bad ones, through the command line, as a user meets them."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.files.atomic_file import unescaped
from tests.volumes.nifti_samples import AFFINE, SHAPE, nifti_bytes, save, scan

COLUMNS = "case_id,status,reason,modalities,warnings,necrotic_core_ml,oedema_ml,enhancing_tumour_ml"
ODD_NAMES = [
    "two words",
    'it\'s "quoted"',
    "$(x)",
    "$x",
    "@y",
    "%z",
    "größe-磁",
    "-n",
    "a;b&c",
    "#1",
]


def _compressed(**kwargs) -> bytes:
    return gzip.compress(nifti_bytes(**kwargs), 6)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]


def _with_nan() -> np.ndarray:
    data = scan(dtype=np.float32)
    data[3:6, 3, 3] = np.nan
    return data


MOVED = np.array(AFFINE)
MOVED[0, 3] += 2

# What stands in CASE-t1c.nii.gz beside a sound CASE-t2f.nii.gz; the code; words of the way out.
BAD_FILES = {
    "empty": (b"", "E_EMPTY", "again"),
    "truncated": (_compressed()[:-200], "E_TRUNCATED", "Copy or download the file again"),
    "flipped-bit": (_flipped(_compressed()), "E_CRC", "copy or download the file again"),
    "text": (b"404: not found, try again later\n" * 20, "E_NOT_NIFTI", "again"),
    "huge": (_compressed(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), "E_TOO_LARGE", "resample"),
    "nan": (_compressed(data=_with_nan()), "E_NAN", "nan_to_num"),
    "all-zero": (_compressed(data=np.zeros(SHAPE, np.int16)), "E_ALL_ZERO", "leave it out"),
    "constant": (
        _compressed(data=np.full(SHAPE, 7, np.int16)),
        "E_CONSTANT",
        "Export the scan again",
    ),
    "four-volumes": (
        _compressed(data=np.stack([scan(seed=s) for s in range(4)], axis=3)),
        "E_4D",
        "four_to_three",
    ),
    "other-grid": (_compressed(affine=MOVED), "E_GRID", "Register and resample"),
    "other-shape": (_compressed(data=scan((9, 8, 6))), "E_GRID", "Register and resample"),
    "same-file-twice": (_compressed(data=scan(seed=7)), "E_DUPLICATE", "its own file"),
    "forms-disagree": (_compressed(qoffset_x=30), "E_FORMS", "set_qform"),
    "label-map": (_compressed(data=scan() % 4), "E_LABEL_MAP", "give the scan itself"),
}


def options(tiny_settings) -> list[str]:
    """The tiny network, said as a user would."""
    values = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in tiny_settings.items()
    }
    values.pop("device_name")
    pairs = (
        f"{name}={yaml.safe_dump(value, default_flow_style=True).strip()}"
        for name, value in values.items()
    )
    return [
        "--device",
        "cpu",
        *(part for pair in pairs for part in ("--set", pair.removesuffix("\n..."))),
    ]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "cases.csv").open(newline="", encoding="utf-8") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


def write_good(folder: Path) -> Path:
    folder.mkdir(parents=True)
    save(folder / f"{folder.name}-t1c.nii.gz", data=scan(seed=1))
    save(folder / f"{folder.name}-t2f.nii.gz", data=scan(seed=7))
    return folder


@pytest.fixture(scope="module")
def batch(tiny_settings, tmp_path_factory):
    """The result of one call on a folder of bad cases, with good ones before, between and after
    them.
    """
    root = tmp_path_factory.mktemp("batch")
    data, out = root / "data", root / "out"
    for name in ("a-good", "m-good", "z-good"):
        write_good(data / name)
    for name, (content, *_) in BAD_FILES.items():
        save(write_good(data / name) / f"{name}-t1c.nii.gz", content)
    (data / "nothing").mkdir()
    (data / "other-names").mkdir()
    save(data / "other-names" / "T1_brain.nii.gz")
    return call("segment", data, "-o", out, *options(tiny_settings)), out


def test_a_batch_with_bad_cases_ends_with_status_1_and_counts_them(batch):
    result, _ = batch
    assert result.exit_code == 1
    assert f"{len(BAD_FILES) + 5} cases: 3 ok, {len(BAD_FILES) + 2} failed" in result.stdout
    assert "Traceback" not in result.output


def test_every_case_has_one_row_with_the_documented_columns(batch):
    _, out = batch
    lines = (out / "cases.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == COLUMNS
    assert sorted(rows(out)) == sorted(
        ["a-good", "m-good", "z-good", "nothing", "other-names", *BAD_FILES]
    )


@pytest.mark.parametrize("case_id", ["a-good", "m-good", "z-good"])
def test_a_good_case_is_done_whatever_the_others_are(batch, case_id):
    _, out = batch
    row = rows(out)[case_id]
    assert (row["status"], row["reason"], row["modalities"]) == ("ok", "", "t1c t2f")
    facts = json.loads((out / case_id / f"{case_id}.json").read_text(encoding="utf-8"))
    written = [row["necrotic_core_ml"], row["oedema_ml"], row["enhancing_tumour_ml"]]
    assert [float(volume) for volume in written] == list(facts["volumes_ml"].values())


@pytest.mark.parametrize("case_id", BAD_FILES)
def test_a_bad_case_is_reported_with_code_case_file_and_way_out(batch, case_id):
    _, out = batch
    _, code, way_out = BAD_FILES[case_id]
    row = rows(out)[case_id]
    assert row["status"] == "failed"
    assert row["reason"].startswith(f"{code}: {case_id}")
    assert f"{case_id}-t1c.nii.gz" in row["reason"]
    assert way_out in row["reason"]
    assert not any(
        (row["modalities"], row["necrotic_core_ml"], row["oedema_ml"], row["enhancing_tumour_ml"])
    )


@pytest.mark.parametrize(
    ("case_id", "found"), [("nothing", "no NIfTI image"), ("other-names", "T1_brain.nii.gz")]
)
def test_a_folder_without_a_modality_says_what_it_holds_and_what_is_expected(batch, case_id, found):
    reason = rows(batch[1])[case_id]["reason"]
    assert reason.startswith(f"E_NO_MODALITY: Case {case_id}")
    assert found in reason
    assert "--pattern" in reason


@pytest.mark.parametrize("case_id", [*BAD_FILES, "nothing", "other-names"])
def test_nothing_is_written_for_a_bad_case(batch, case_id):
    assert not (batch[1] / case_id).exists()


def test_nothing_but_results_lies_in_the_output_folder(batch):
    assert sorted(path.name for path in batch[1].iterdir()) == [
        "a-good",
        "cases.csv",
        "m-good",
        "run.json",
        "z-good",
    ]


def test_damaged_weights_stop_the_run_before_any_case(tiny_settings, tmp_path):
    weights = Path(shutil.copy(tiny_settings["checkpoint"], tmp_path / "model.pt"))
    shutil.copy(f"{tiny_settings['checkpoint']}.sha256", tmp_path / "model.pt.sha256")
    weights.write_bytes(_flipped(weights.read_bytes()))
    data = write_good(tmp_path / "data" / "case").parent
    result = call(
        "segment", data, "-o", tmp_path / "out", *options({**tiny_settings, "checkpoint": weights})
    )
    assert result.exit_code == 78
    assert result.stderr.startswith("E_WEIGHTS_CHECKSUM")
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "setting", ["nonsense=1", "checkpoint=/nowhere/model.pt", "device_name=abacus"]
)
def test_unusable_settings_stop_the_run_with_status_78(tiny_settings, tmp_path, setting):
    data = write_good(tmp_path / "case")
    result = call(
        "segment", data, "-o", tmp_path / "out", *options(tiny_settings), "--set", setting
    )
    assert result.exit_code == 78
    assert "Traceback" not in result.output


def test_an_output_folder_below_a_file_ends_with_status_74(tiny_settings, tmp_path):
    (tmp_path / "file").write_text("")
    result = call(
        "segment",
        write_good(tmp_path / "case"),
        "-o",
        tmp_path / "file" / "out",
        *options(tiny_settings),
    )
    assert result.exit_code == 74
    assert result.stderr.startswith("E_OUTPUT")


@pytest.mark.parametrize("naming", ["-", "_"])
def test_results_never_go_among_the_inputs_where_they_would_replace_the_expert_label(
    tiny_settings, tmp_path, naming
):
    folder = tmp_path / "data" / "case"
    folder.mkdir(parents=True)
    save(folder / f"case{naming}t1c.nii.gz", data=scan(seed=1))
    save(folder / f"case{naming}seg.nii.gz", data=scan() % 4)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = call("segment", folder, "-o", tmp_path / "data", *options(tiny_settings))
    assert result.exit_code == 74
    assert "another" in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["FOLDER", "--t1c", "FILE"],
        ["FOLDER", "--case-id", "x"],
        ["--t1c", "FILE", "--pattern", "t1c=*.nii.gz"],
        ["--t1c", "FILE", "--case-id", "../x"],
        ["nowhere"],
        ["FOLDER", "--pattern", "ct=*.nii.gz"],
        ["FOLDER", "--pattern", "t1c"],
        ["FOLDER", "--set", "overlap"],
        ["FOLDER", "--set", "overlap=$1/0"],
        ["FOLDER", "--set", "expert={a: ['%b']}"],
        ["FOLDER", "--labels", "brats1999"],
    ],
    ids=" ".join,
)
def test_a_call_that_means_nothing_ends_with_status_2_and_writes_nothing(
    tiny_settings, tmp_path, arguments
):
    folder = write_good(tmp_path / "case")
    given = {"FOLDER": folder, "FILE": folder / "case-t1c.nii.gz"}
    words = [given.get(argument, argument) for argument in arguments]
    result = call("segment", *words, "-o", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_the_order_of_flags_and_the_aliases_change_no_byte_of_the_maps(tiny_settings, tmp_path):
    folder = write_good(tmp_path / "case")
    t1c, t2f = folder / "case-t1c.nii.gz", folder / "case-t2f.nii.gz"
    one, two = tmp_path / "one", tmp_path / "two"
    assert (
        call("segment", "--t1c", t1c, "--t2f", t2f, "-o", one, *options(tiny_settings)).exit_code
        == 0
    )
    again = ["-o", two, *options(tiny_settings), "--case-id", "case", "--flair", t2f, "--t1ce", t1c]
    assert call("segment", *again).exit_code == 0
    maps = sorted(path.relative_to(one) for path in one.rglob("*.nii.gz"))
    assert len(maps) == 4
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in maps)


def test_odd_folder_names_are_only_names(tiny_settings, tmp_path):
    for name in ODD_NAMES:
        write_good(tmp_path / "$data @1 %2" / name)
    out = tmp_path / "$out @1 %2"
    result = call("segment", tmp_path / "$data @1 %2", "-o", out, *options(tiny_settings))
    assert result.exit_code == 0
    assert sorted(map(unescaped, rows(out))) == sorted(ODD_NAMES)
    assert {"'-n", "'@y"} <= set(rows(out))
    assert all((out / name / f"{name}_seg.nii.gz").is_file() for name in ODD_NAMES)
    facts = json.loads((out / "größe-磁" / "größe-磁.json").read_text(encoding="utf-8"))
    assert Path(facts["inputs"]["t1c"]["file"]).name == "größe-磁-t1c.nii.gz"


@pytest.mark.parametrize("name", ["$(x)", "@t1c", "%f::g", "a 'b' \"c\""])
def test_odd_file_names_given_by_flag_are_only_names(tiny_settings, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / f"{name}.nii.gz", data=scan(seed=3))
    result = call("segment", "--t1n", f"{name}.nii.gz", "-o", "$out", *options(tiny_settings))
    assert result.exit_code == 0
    assert (tmp_path / "$out" / name / f"{name}_weight-t1n.nii.gz").is_file()
