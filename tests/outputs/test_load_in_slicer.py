"""The script that opens a case in 3D Slicer, run on written results with a stand-in: Slicer itself
is not tested.
"""

import ast
import json
import runpy
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.decathlon import Channel
from bundle.outputs import slicer_files
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.sample_datasets import write_case
from tests.outputs.slicer_stand_in import INFERNO, VIRIDIS, Slicer
from tests.test_bad_input import call, options, write_good

MODALITIES = DEFAULT_TASK.modality_names
SOURCE = Path(slicer_files.__file__).with_name("load_in_slicer.py")


@pytest.fixture
def opened(monkeypatch):
    """Run the script that lies in a folder, and give the Slicer in which it ran."""

    def run(folder):
        slicer = Slicer()
        monkeypatch.setitem(sys.modules, "slicer", slicer.module)
        runpy.run_path(str(folder / "load_in_slicer.py"))
        return slicer

    return run


@pytest.fixture(scope="module")
def written(tiny_settings, tmp_path_factory):
    """A case of four files and one of two volumes of a 4D file, both segmented; copy them before
    changing them.
    """
    root = tmp_path_factory.mktemp("written")
    write_case(root / "cases" / "c1", seed=1)
    images = {modality: root / "cases" / "c1" / f"c1-{modality}.nii.gz" for modality in MODALITIES}
    volumes = [nib.load(path) for path in images.values()]
    stack = np.stack([np.asanyarray(volume.dataobj) for volume in volumes], axis=3)
    nib.save(nib.Nifti1Image(stack, volumes[0].affine), root / "stack.nii.gz")
    channels = {
        "t1c": Channel(root / "stack.nii.gz", 1, 4),
        "t2f": Channel(root / "stack.nii.gz", 3, 4),
    }
    cases = [{"case_id": "c1", "image": images}, {"case_id": "four", "image": channels}]
    outcomes = segment_cases(cases, root / "out", settings={**tiny_settings, "slicer": True})
    settings = {**tiny_settings, "slicer": True, "contributions": "shares"}
    outcomes += segment_cases(cases[:1], root / "told", settings=settings)
    assert [outcome.reason for outcome in outcomes] == ["", "", ""]
    return root


@pytest.fixture
def moved(written, tmp_path):
    """A copy of results and images whose JSON names the copied images."""
    shutil.copytree(written, tmp_path / "data")
    for path in (tmp_path / "data" / "out").glob("*/*.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace(str(written), str(tmp_path / "data")), "utf-8"
        )
    return tmp_path / "data"


def change_inputs(folder, change):
    path = folder / f"{folder.name}.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts["inputs"])
    path.write_text(json.dumps(facts), encoding="utf-8")


def test_images_come_first_then_the_segmentation_then_the_maps(written, opened):
    slicer = opened(written / "out" / "c1")
    images = [f"c1 {modality}" for modality in MODALITIES]
    maps = ["c1 entropy", *(f"c1 weight-{modality}" for modality in sorted(MODALITIES))]
    assert slicer.names() == [*images, "c1 segmentation", *maps]
    assert slicer.node("c1 t2w").path == written / "cases" / "c1" / "c1-t2w.nii.gz"
    assert slicer.node("c1 weight-t2w").path == written / "out" / "c1" / "c1_weight-t2w.nii.gz"


def test_the_window_of_an_image_spans_the_1st_to_the_99th_percentile_of_its_voxels_that_are_not_0(
    written, opened
):
    slicer = opened(written / "out" / "c1")
    for modality in MODALITIES:
        voxels = nib.load(written / "cases" / "c1" / f"c1-{modality}.nii.gz").get_fdata()
        display = slicer.node(f"c1 {modality}").display
        assert display.window == pytest.approx(np.percentile(voxels[voxels != 0], [1, 99]))
        assert display.colours == "vtkMRMLColorTableNodeGrey"


def test_an_image_without_any_signal_keeps_the_window_that_slicer_gives_it(moved, opened):
    path = moved / "cases" / "c1" / "c1-t2w.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.int16), image.affine), path)
    assert opened(moved / "out" / "c1").node("c1 t2w").display.window is None


def test_entropy_is_inferno_from_0_to_1_bit_and_clear_where_there_is_none(written, opened):
    display = opened(written / "out" / "c1").node("c1 entropy").display
    assert (display.window, display.colours, display.apply_threshold) == ((0, 1), INFERNO, True)
    low, high = display.threshold
    assert 0 < low <= 0.01
    assert high > 1 + 1e-6


def test_weights_are_viridis_from_0_to_1_and_a_weight_of_0_is_shown(written, opened):
    slicer = opened(written / "out" / "c1")
    for modality in MODALITIES:
        display = slicer.node(f"c1 weight-{modality}").display
        assert (display.window, display.colours, display.apply_threshold) == (
            (0, 1),
            VIRIDIS,
            False,
        )


def test_the_segments_are_visible_and_let_the_image_through(written, opened):
    display = opened(written / "out" / "c1").node("c1 segmentation").display
    assert display.visible is True
    assert 0 < display.fill < 1


@pytest.mark.parametrize(
    ("gone", "shown"),
    [((), "t1c"), (("t1c",), "t2f"), (("t1c", "t2f"), "t2w"), (("t1c", "t2f", "t2w"), "t1n")],
    ids=str,
)
def test_the_best_image_that_is_there_is_shown_and_the_entropy_waits_in_front_of_it(
    moved, opened, gone, shown, capsys
):
    for modality in gone:
        (moved / "cases" / "c1" / f"c1-{modality}.nii.gz").unlink()
    slicer = opened(moved / "out" / "c1")
    assert slicer.layers == (f"c1 {shown}", "c1 entropy", 0.0, True)
    said = capsys.readouterr().out
    assert {modality for modality in MODALITIES if f"{modality} is left out" in said} == set(gone)
    assert f"shown on {shown}" in said


def test_without_any_image_the_entropy_is_shown(moved, opened, capsys):
    shutil.rmtree(moved / "cases")
    assert opened(moved / "out" / "c1").layers == ("c1 entropy", None, 0.0, True)
    assert "no image was found" in capsys.readouterr().out


def test_without_any_map_the_image_is_shown_alone(moved, opened, capsys):
    path = moved / "out" / "c1" / "c1.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "maps": ["c1_seg.nii.gz"]}),
        "utf-8",
    )
    slicer = opened(path.parent)
    assert slicer.layers == ("c1 t1c", None, 0.0, True)
    assert slicer.names()[-1] == "c1 segmentation"
    assert "entropy is the foreground" not in capsys.readouterr().out


def test_images_that_moved_beside_the_results_are_found_there(moved, opened):
    for path in (moved / "cases" / "c1").glob("*.nii.gz"):
        path.rename(moved / "out" / "c1" / path.name)
    assert (
        opened(moved / "out" / "c1").node("c1 t1c").path == moved / "out" / "c1" / "c1-t1c.nii.gz"
    )


def test_a_path_that_was_recorded_on_windows_leads_to_its_namesake_beside_the_results(
    moved, opened
):
    (moved / "cases" / "c1" / "c1-t1c.nii.gz").rename(moved / "out" / "c1" / "scan 1.nii.gz")
    change_inputs(
        moved / "out" / "c1",
        lambda inputs: inputs["t1c"].update(file="D:\\cases\\c1\\scan 1.nii.gz"),
    )
    assert opened(moved / "out" / "c1").node("c1 t1c").path.name == "scan 1.nii.gz"


def test_a_relative_path_is_not_looked_up_where_slicer_happens_to_be_started(
    moved, opened, monkeypatch
):
    monkeypatch.chdir(moved / "cases" / "c1")
    change_inputs(moved / "out" / "c1", lambda inputs: inputs["t1c"].update(file="c1-t1c.nii.gz"))
    assert "c1 t1c" not in opened(moved / "out" / "c1").names()


def test_an_image_that_slicer_cannot_read_is_left_out_and_the_others_are_opened(
    moved, opened, capsys
):
    (moved / "cases" / "c1" / "c1-t1n.nii.gz").write_bytes(b"no image")
    names = opened(moved / "out" / "c1").names()
    assert names[:4] == ["c1 t1c", "c1 t2w", "c1 t2f", "c1 segmentation"]
    assert "t1n is left out: Failed to load" in capsys.readouterr().out


def test_a_volume_of_a_4d_file_becomes_an_image_of_its_own_at_its_place(written, opened):
    slicer = opened(written / "out" / "four")
    assert slicer.names()[:3] == ["four t1c", "four t2f", "four segmentation"]
    for modality in ("t1c", "t2f"):
        expected = nib.load(written / "cases" / "c1" / f"c1-{modality}.nii.gz")
        node = slicer.node(f"four {modality}")
        assert np.array_equal(node.voxels.T, np.asanyarray(expected.dataobj))
        assert np.allclose(node.affine, expected.affine)


def test_a_4d_file_with_another_number_of_volumes_is_not_taken_for_the_recorded_one(
    moved, opened, capsys
):
    image = nib.load(moved / "stack.nii.gz")
    nib.save(image.slicer[..., :3], moved / "other.nii.gz")
    (moved / "other.nii.gz").replace(moved / "stack.nii.gz")
    slicer = opened(moved / "out" / "four")
    assert slicer.names()[0] == "four segmentation"
    assert "must hold 4 volumes; got 3" in capsys.readouterr().out


def test_a_renamed_folder_is_opened_by_its_only_json(moved, opened):
    folder = (moved / "out" / "c1").rename(moved / "out" / "from a colleague")
    assert "c1 segmentation" in opened(folder).names()


def test_a_folder_of_which_the_case_is_not_known_is_refused(moved, opened):
    folder = (moved / "out" / "c1").rename(moved / "out" / "renamed")
    (folder / "notes.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="got 2 files"):
        opened(folder)


def test_a_file_name_cannot_write_a_line_of_its_own_into_the_console(moved, opened, capsys):
    change_inputs(
        moved / "out" / "c1", lambda inputs: inputs["t1c"].update(file="/gone\nall is well")
    )
    opened(moved / "out" / "c1")
    said = capsys.readouterr().out
    assert "t1c is left out" in said
    assert not any(line.startswith("all is well") for line in said.splitlines())


def test_the_script_runs_as_slicer_runs_a_script_from_the_command_line(written, monkeypatch):
    """In the namespace of the console, read with the encoding of the system
    (ctkAbstractPythonManager::executeFile).
    """
    slicer = Slicer()
    monkeypatch.setitem(sys.modules, "slicer", slicer.module)
    path = written / "out" / "c1" / "load_in_slicer.py"
    exec(path.read_text(encoding="ascii"), {"__name__": "__main__", "__file__": str(path)})
    assert slicer.layers[0] == "c1 t1c"


def test_images_that_were_named_from_another_working_folder_open_after_segment_slicer(
    tiny_settings, tmp_path, monkeypatch, opened
):
    write_good(tmp_path / "cases" / "c1")
    monkeypatch.chdir(tmp_path / "cases")
    words = (
        "segment",
        "--t1c",
        "c1/c1-t1c.nii.gz",
        "-o",
        tmp_path / "out",
        *options(tiny_settings),
    )
    assert call(*words, "--slicer").exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert opened(tmp_path / "out" / "c1").names()[:2] == ["c1 t1c", "c1 segmentation"]


def test_segment_without_the_option_writes_nothing_for_slicer(tiny_settings, tmp_path):
    assert (
        call(
            "segment", write_good(tmp_path / "c1"), "-o", tmp_path / "out", *options(tiny_settings)
        ).exit_code
        == 0
    )
    assert not any(
        (tmp_path / "out" / "c1" / name).exists() for name in slicer_files.slicer_file_names("c1")
    )


def test_the_script_is_the_same_for_every_case(written):
    for name in ("c1", "four"):
        assert (written / "out" / name / "load_in_slicer.py").read_bytes() == SOURCE.read_bytes()


def test_the_script_needs_nothing_but_slicer_and_runs_on_its_python_3_9():
    tree = ast.parse(SOURCE.read_text(encoding="ascii"), feature_version=(3, 9))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "json", "pathlib", "typing", "numpy", "slicer"}


def test_contributions_are_viridis_and_who_decided_has_a_colour_for_each_modality(written, opened):
    slicer = opened(written / "told" / "c1")
    for modality in MODALITIES:
        display = slicer.node(f"c1 contribution-{modality}").display
        assert (display.window, display.colours) == ((0, 1), VIRIDIS)
    assert slicer.node("c1 decided-by").display.window == (0, len(MODALITIES))


def test_signed_contributions_are_shown_from_minus_1_to_1(written, opened, tmp_path):
    folder = Path(shutil.copytree(written / "told" / "c1", tmp_path / "c1"))
    path = folder / "c1_contribution-t1c.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(-np.asarray(image.dataobj), image.affine), path)
    slicer = opened(folder)
    assert slicer.node("c1 contribution-t1c").display.window == (-1, 1)
    assert slicer.node("c1 contribution-t1n").display.window == (0, 1)
