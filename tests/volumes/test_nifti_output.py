import errno
import gzip
import os
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bundle.errors import OutputError
from bundle.volumes import nifti_output
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import read_volume
from bundle.volumes.nifti_output import rounded_to_half, write_volume
from tests.volumes.nifti_samples import AFFINE, SHAPE, save, scan

GEOMETRY_FIELDS = (
    *("srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "xyzt_units"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)


def turned(degrees, sizes, offset=(10, -20, 30)):
    """Voxels of `sizes` mm (negative: axis reversed), turned about x, y and z."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * sizes
    affine[:3, 3] = offset
    return affine


SAGITTAL = np.array([[0, 0, 1.2, -80], [1, 0, 0, -110], [0, 1, 0, -60], [0, 0, 0, 1]], float)
FILES = {
    "axial": {"affine": AFFINE},
    "sagittal": {"affine": SAGITTAL},
    "oblique": {"affine": turned((10, -20, 33), (0.9, 0.9, 3))},
    "LPS": {"affine": np.diag([-1.0, -1, 3, 1])},
    "left-handed": {"affine": np.diag([1.0, 1, -3, 1])},
    "oblique left-handed": {"affine": turned((5, 6, 170), (-0.5, 0.7, 4.9))},
    "anisotropic": {"affine": np.diag([0.43, 0.43, 6.5, 1])},
    "only sform": {"codes": (4, 0)},
    "only qform": {"codes": (0, 1)},
    "different codes": {"codes": (4, 2)},
    "no codes": {"codes": (0, 0)},
    "forms a little apart": {"qoffset_x": -12.3},
    "mm and seconds": {"xyzt_units": 10},
    "no unit": {"xyzt_units": 0},
    "microns": {"affine": np.diag([1000.0, 1000, 3000, 1]), "xyzt_units": 3},
    "qfac 0": {"pixdim": [0, 1, 1, 3, 0, 0, 0, 0]},
}


def round_trip(folder, **kwargs):
    """Read a file and write other voxels onto its grid."""
    source = save(folder / "in.nii.gz", **kwargs)
    grid = read_volume(source, case_id="case7", modality="t1n").grid
    write_volume(
        folder / "out.nii.gz", scan(grid.shape, np.float32, seed=3), grid, description="test"
    )
    return source, folder / "out.nii.gz"


def stored_header(path):
    raw = gzip.decompress(path.read_bytes())
    return np.ndarray((), nib.nifti1.header_dtype, buffer=bytearray(raw[:348]))


def assert_same_geometry(source, result):
    a, b = stored_header(source), stored_header(result)
    for field in GEOMETRY_FIELDS:
        assert a[field].tobytes() == b[field].tobytes(), field
    assert a["pixdim"][:4].tobytes() == b["pixdim"][:4].tobytes()
    assert np.array_equal(nib.load(source).affine, nib.load(result).affine)
    assert nib.load(source).header.get_xyzt_units() == nib.load(result).header.get_xyzt_units()


@pytest.mark.parametrize("name", FILES)
def test_output_lies_on_its_input_in_nibabel_and_simpleitk(tmp_path, name):
    source, result = round_trip(tmp_path, **FILES[name])
    assert_same_geometry(source, result)
    a, b = (sitk.ReadImage(str(path)) for path in (source, result))
    assert a.GetSize() == b.GetSize()
    assert a.GetSpacing() == b.GetSpacing()
    assert a.GetOrigin() == b.GetOrigin()
    assert a.GetDirection() == b.GetDirection()
    assert np.array_equal(sitk.GetArrayFromImage(b).T, scan(dtype=np.float32, seed=3))


def test_an_invalid_form_is_repeated_too(tmp_path):
    source, result = round_trip(tmp_path, srow_x=float("nan"))
    assert stored_header(source)["srow_x"].tobytes() == stored_header(result)["srow_x"].tobytes()


AXES = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 14)] * 3),
    offset=st.tuples(*[st.floats(-300, 300)] * 3),
    axes=st.sampled_from(AXES),
)
def test_any_orientation_is_read_right_and_written_back(tmp_path, degrees, spacing, offset, axes):
    order, signs = axes
    affine = turned(degrees, (1, 1, 1), offset)
    affine[:3, :3] = affine[:3, order] * signs * spacing
    source, result = round_trip(tmp_path, affine=affine)
    assert_same_geometry(source, result)
    grid = read_volume(source, case_id="case7", modality="t1n").grid
    assert grid.affine == pytest.approx(affine, rel=1e-5, abs=1e-4)
    written = read_volume(result, case_id="case7", modality="t1n").grid
    assert np.array_equal(written.affine, grid.affine)
    assert written.header == grid.header


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_all_48_axis_orders_and_directions_come_back(tmp_path, axes):
    order, signs = axes
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * signs * [1, 2, 3]
    source, result = round_trip(tmp_path, affine=affine)
    assert_same_geometry(source, result)
    assert nib.aff2axcodes(nib.load(result).affine) == nib.aff2axcodes(affine)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_voxels_come_back_as_they_were(tmp_path, dtype, order):
    data = np.asarray(scan(dtype=np.float32) / 4, dtype, order=order)
    write_volume(tmp_path / "a.nii.gz", data, grid_from_affine(SHAPE, AFFINE), description="é" * 60)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == dtype
    assert np.array_equal(np.asarray(image.dataobj), data)
    assert image.affine == pytest.approx(AFFINE)
    stored = stored_header(tmp_path / "a.nii.gz")
    assert (stored["scl_slope"], stored["scl_inter"], stored["bitpix"]) == (1, 0, 8 * data.itemsize)


def test_a_nifti2_input_gives_a_nifti1_output(tmp_path):
    nib.save(nib.Nifti2Image(scan(), AFFINE), tmp_path / "in.nii.gz")
    grid = read_volume(tmp_path / "in.nii.gz", case_id="case7", modality="t1n").grid
    write_volume(tmp_path / "out.nii.gz", scan(dtype=np.uint8), grid)
    assert type(nib.load(tmp_path / "out.nii.gz")) is nib.Nifti1Image
    assert np.array_equal(nib.load(tmp_path / "out.nii.gz").affine, AFFINE)


def test_an_axis_too_long_for_nifti1_gives_nifti2(tmp_path):
    shape = (40_000, 2, 3)
    write_volume(tmp_path / "a.nii.gz", np.ones(shape, np.uint8), grid_from_affine(shape, AFFINE))
    image = nib.load(tmp_path / "a.nii.gz")
    assert type(image) is nib.Nifti2Image
    assert np.asarray(image.dataobj).sum() == 240_000


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, scan(dtype=np.float32), grid_from_affine(SHAPE, AFFINE))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert (tmp_path / "a.nii.gz").read_bytes()[4:8] == bytes(4)  # no time in the gzip header


@pytest.mark.parametrize("data", [scan(dtype=np.float64), scan((7, 8, 9), np.uint8)])
def test_data_that_do_not_fit_are_a_defect_of_the_caller(tmp_path, data):
    with pytest.raises(ValueError, match="uint8 or float32 of shape"):
        write_volume(tmp_path / "a.nii.gz", data, grid_from_affine(SHAPE, AFFINE))


# ---- Failures ------------------------------------------------------------------


def failure(path):
    with pytest.raises(OutputError) as caught:
        write_volume(path, scan(dtype=np.uint8), grid_from_affine(SHAPE, AFFINE))
    assert caught.value.code == "E_WRITE"
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_impossible_place_is_named_with_its_cause(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "taken.nii.gz").mkdir()
    assert "is a file, not a folder" in failure(tmp_path / "file" / "a.nii.gz")
    assert "folder does not exist" in failure(tmp_path / "nowhere" / "a.nii.gz")
    assert "a folder has that name" in failure(tmp_path / "taken.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.nii.gz"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_keeps_the_older_file_and_leaves_nothing_behind(tmp_path, monkeypatch, step):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.nii.gz").write_bytes(b"older")
    monkeypatch.setattr(os, step, full)
    assert "the disk is full" in failure(tmp_path / "a.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]
    assert (tmp_path / "a.nii.gz").read_bytes() == b"older"


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_volume(tmp_path / "a.nii.gz", scan(dtype=np.uint8), grid_from_affine(SHAPE, AFFINE))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_while_writing_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda path, mode: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    assert "the disk is full" in failure(tmp_path / "a.nii.gz")


def test_the_longest_file_name_is_possible(tmp_path):
    path = tmp_path / ("a" * 248 + ".nii.gz")
    write_volume(path, scan(dtype=np.uint8), grid_from_affine(SHAPE, AFFINE))
    assert path.stat().st_size > 0


@pytest.mark.parametrize("has_isal", [True, False])
def test_with_and_without_isal_the_voxels_are_the_same_and_so_are_the_bytes_each_time(
    tmp_path, monkeypatch, has_isal
):
    if has_isal:
        pytest.importorskip("isal")
    monkeypatch.setattr(nifti_output, "HAS_ISAL", has_isal)
    data = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    files = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    for file in files:
        write_volume(file, data, grid_from_affine(SHAPE, AFFINE))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert np.array_equal(np.asanyarray(nib.load(files[0]).dataobj), data)
    assert len(gzip.decompress(files[0].read_bytes())) == 352 + data.nbytes


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_rounding_to_half_precision_is_off_by_at_most_a_2048th_and_keeps_0_and_1(values):
    exact = np.array([0.0, 1.0, 0.5, *values], np.float32)
    rounded = rounded_to_half(exact)
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded[:3], exact[:3])
    assert (np.abs(rounded - exact) <= exact / 2048 + 1e-38).all()
    assert (rounded <= 1).all()
    normal = exact > 1e-4
    assert np.array_equal(rounded[normal], exact[normal].astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_map_written_to_half_precision_is_the_rounded_map_whatever_its_layout(tmp_path, layout):
    exact = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    data, path = np.asarray(exact, order=layout), tmp_path / "a.nii.gz"
    write_volume(path, data, grid_from_affine(SHAPE, AFFINE), to_half=True)
    written = np.asanyarray(nib.load(path).dataobj)
    assert written.dtype == np.float32
    assert np.array_equal(written, rounded_to_half(exact))
    assert np.array_equal(data, exact)
