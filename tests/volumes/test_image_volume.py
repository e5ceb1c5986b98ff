import contextlib
import gzip
import hashlib
import os
import shutil
import struct
import time
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from bundle.errors import CaseError
from bundle.volumes import image_volume as nifti_reading
from bundle.volumes.common_grid import check_distinct, on_one_grid
from bundle.volumes.image_volume import read_volume
from bundle.volumes.label_image import read_label
from bundle.volumes.nifti_output import write_volume
from tests.volumes.nifti_samples import AFFINE, SHAPE, nifti_bytes, save, scan

NAN, INF = float("nan"), float("inf")


def read(path):
    return read_volume(path, case_id="case7", modality="t1c")


def refusal(path):
    with pytest.raises(CaseError) as caught:
        read(path)
    return caught.value


def moved(x_mm):
    affine = AFFINE.copy()
    affine[0, 3] += x_mm
    return affine


def with_values(values, dtype=np.float32):
    """A scan in which the named voxels have other values."""
    data = scan(dtype=dtype)
    for voxel, value in values.items():
        data[voxel] = value
    return data


def sheared(z_to_x):
    affine = AFFINE.copy()
    affine[0, 2] = z_to_x
    return affine


# ---- What is accepted ----------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_voxels_are_those_that_nibabel_reads(tmp_path, dtype):
    path = save(tmp_path / "a.nii.gz", data=scan(dtype=dtype), scl_slope=0.37)
    volume = read(path)
    assert volume.data.dtype == np.float32
    assert volume.data == pytest.approx(np.asarray(nib.load(path).dataobj), rel=1e-6)
    assert volume.grid.affine == pytest.approx(nib.load(path).affine)
    assert all(
        "saturated" in text for text in volume.warnings
    )  # 255 is common where numbers wrap at 8 bits


def test_an_intercept_moves_the_background_away_from_0_and_is_taken_out_again(tmp_path):
    path = save(tmp_path / "a.nii.gz", scl_slope=0.37, scl_inter=-12)
    volume = read(path)
    assert volume.data == pytest.approx(np.asarray(nib.load(path).dataobj) + 12, abs=1e-4)
    assert not volume.data[scan() == 0].any()
    assert "-12 instead of 0" in volume.warnings[0]


def test_the_hash_is_that_of_the_file(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    assert read(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def good_files(folder):
    raw = nifti_bytes()
    big = nib.Nifti1Image(scan(), AFFINE, nib.Nifti1Header(endianness=">"))
    return {
        "plain": (save(folder / "a.nii"), ()),
        "plain named gz": (save(folder / "b.nii.gz", raw), ("not compressed",)),
        "gzip named plain": (save(folder / "c.nii", gzip.compress(raw)), ("is compressed",)),
        "trailing": (
            save(folder / "d.nii.gz", gzip.compress(raw) + b"GARBAGE"),
            ("7 bytes after the end",),
        ),
        "padding": (
            save(folder / "e.nii.gz", gzip.compress(raw + bytes(5))),
            ("5 bytes after the data",),
        ),
        "concatenated": (
            save(folder / "f.nii.gz", b"".join(map(gzip.compress, (raw[:400], raw[400:])))),
            (),
        ),
        "big-endian": (save(folder / "g.nii", big.to_bytes()), ()),
        "NIfTI-2": (
            save(folder / "h.nii.gz", gzip.compress(nib.Nifti2Image(scan(), AFFINE).to_bytes())),
            (),
        ),
        "extension flag": (save(folder / "i.nii", raw[:348] + b"\1\0\0\0" + raw[352:]), ()),
        "strange name": (save(folder / "$(x) 'ä';@%-.nii.gz"), ()),
        "4D of one": (save(folder / "j.nii.gz", data=scan()[..., None]), ("one volume",)),
        "5D of one": (save(folder / "k.nii.gz", data=scan()[..., None, None]), ("one volume",)),
        "slope 0": (
            save(folder / "l.nii.gz", scl_slope=0, scl_inter=5),
            ("scl_inter 5 was ignored",),
        ),
        "slope NaN": (
            save(folder / "m.nii.gz", scl_slope=NAN, scl_inter=NAN),
            ("scl_slope is NaN",),
        ),
        "no forms": (save(folder / "n.nii.gz", codes=(0, 0)), ("unknown",)),
        "sform NaN": (save(folder / "o.nii.gz", srow_x=NAN), ("qform was used",)),
        "sform zero": (
            save(folder / "p.nii.gz", srow_x=0, srow_y=0, srow_z=0),
            ("qform was used",),
        ),
        "qform NaN": (save(folder / "q.nii.gz", quatern_b=NAN), ("sform was used",)),
        "forms a little apart": (save(folder / "r.nii.gz", qoffset_x=-12.2), ("0.30 voxels",)),
        "other pixdim": (
            save(folder / "s.nii.gz", codes=(1, 0), pixdim=[1, 2, 2, 2, 0, 0, 0, 0]),
            ("pixdim",),
        ),
        "rounded axes": (
            save(folder / "t.nii.gz", affine=sheared(0.006), qform_code=0),
            ("perpendicular",),
        ),
        "thick slices": (
            save(folder / "u.nii.gz", affine=np.diag([1, 1, 7.0, 1])),
            ("thicker than 5 mm",),
        ),
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return good_files(tmp_path_factory.mktemp("good"))


GOOD_NAMES = """plain|plain named gz|gzip named plain|trailing|padding|concatenated|big-endian|NIfTI-2|extension flag|
strange name|4D of one|5D of one|slope 0|slope NaN|no forms|sform NaN|sform zero|qform NaN|forms a little apart|
other pixdim|rounded axes|thick slices""".replace("\n", "").split("|")


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_an_odd_but_sound_file_is_read_right_and_warned_about(good, name):
    path, expected = good[name]
    volume = read(path)
    assert np.array_equal(volume.data, scan())
    assert len(volume.warnings) == len(expected)
    for part, warning in zip(expected, volume.warnings, strict=True):
        assert part in warning


def test_every_good_file_has_its_test(good):
    assert sorted(good) == sorted(GOOD_NAMES)


def test_a_negative_slope_inverts_and_warns(tmp_path):
    volume = read(save(tmp_path / "a.nii.gz", scl_slope=-2, scl_inter=10))
    assert np.array_equal(volume.data, -2.0 * scan())
    assert "inverted" in volume.warnings[0]


@pytest.mark.parametrize(("unit", "code", "mm"), [("metre", 1, 1000), ("micron", 3, 0.001)])
def test_other_units_become_millimetres_for_computing_only(tmp_path, unit, code, mm):
    affine = AFFINE / mm
    affine[3, 3] = 1
    volume = read(save(tmp_path / "a.nii.gz", affine=affine, xyzt_units=code))
    assert volume.grid.affine == pytest.approx(AFFINE)
    assert volume.grid.header.sform[2][2] == pytest.approx(3 / mm)
    assert unit in volume.warnings[0]


def test_straightened_axes_leave_the_header_fields_alone(tmp_path):
    affine = sheared(0.006)
    volume = read(save(tmp_path / "a.nii.gz", affine=affine, qform_code=0))
    axes = volume.grid.affine[:3, :3] / [1, 1, 3]
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-5)
    assert volume.grid.header.sform == pytest.approx(affine[:3])


def test_a_saturated_scan_is_read_with_a_warning(tmp_path):
    volume = read(save(tmp_path / "a.nii.gz", data=np.minimum(scan(), 950)))
    assert "saturated" in volume.warnings[0]


@pytest.mark.parametrize("background", [0, -100])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_non_finite_voxel_in_the_background_becomes_background(tmp_path, value, background):
    data = np.pad(scan(dtype=np.float32), 5)
    data[data == 0] = background
    expected = data.copy()
    data[2, 2, 2] = value
    volume = read(save(tmp_path / "a.nii.gz", data=data))
    assert np.array_equal(volume.data, expected - background)
    assert "1 NaN or infinite voxels" in volume.warnings[0]


def test_a_pair_is_read_from_either_half(tmp_path):
    nib.save(nib.Nifti1Pair(scan(), AFFINE), tmp_path / "a.img")
    halves = [read(tmp_path / name) for name in ("a.hdr", "a.img")]
    assert np.array_equal(halves[0].data, scan())
    assert np.array_equal(halves[1].data, scan())
    assert halves[0].sha256 == halves[1].sha256


# ---- What is refused -----------------------------------------------------------

BAD_HEADERS = {
    "negative dimension": ("E_HEADER", {"dim": [3, -9, 8, 7, 1, 1, 1, 1]}),
    "zero dimension": ("E_HEADER", {"dim": [3, 0, 8, 7, 1, 1, 1, 1]}),
    "nine dimensions": ("E_HEADER", {"dim": [9, 9, 8, 7, 1, 1, 1, 1]}),
    "unknown datatype": ("E_HEADER", {"datatype": 9999}),
    "voxels at 1e9": ("E_HEADER", {"vox_offset": 1e9}),
    "voxels at NaN": ("E_HEADER", {"vox_offset": NAN}),
    "voxels inside the header": ("E_HEADER", {"vox_offset": 0}),
    "voxels at half a byte": ("E_HEADER", {"vox_offset": 352.5}),
    "infinite slope": ("E_HEADER", {"scl_slope": INF}),
    "slope without intercept": ("E_HEADER", {"scl_slope": 2, "scl_inter": NAN}),
    "magic XXXX": ("E_NOT_NIFTI", {"magic": b"XXXX"}),
    "magic of a pair": ("E_PAIR", {"magic": b"ni1"}),
    "gigantic": ("E_TOO_LARGE", {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}),
    "no voxel size": ("E_SPACING", {"pixdim": 0, "sform_code": 0, "qform_code": 0}),
    "negative voxel size": ("E_SPACING", {"pixdim": [1, -1, -1, -3, 0, 0, 0, 0], "sform_code": 0}),
    "NaN voxel size": ("E_SPACING", {"pixdim": [1, NAN, 1, 3, 0, 0, 0, 0], "sform_code": 0}),
    "no valid form": ("E_FORMS", {"srow_x": 0, "qform_code": 0}),
    "no rotation": ("E_FORMS", {"quatern_b": 3, "sform_code": 0}),
    "sform elsewhere": ("E_FORMS", {"qoffset_x": 30}),
    "more dimensions than voxels": ("E_TRUNCATED", {"dim": [3, 9, 8, 8, 1, 1, 1, 1]}),
    "claims 400 MB": ("E_TRUNCATED", {"dim": [3, 600, 600, 600, 1, 1, 1, 1]}),
    "microns that are millimetres": ("E_SPACING", {"xyzt_units": 3}),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_header_that_cannot_be_right_is_refused(tmp_path, name):
    code, fields = BAD_HEADERS[name]
    assert refusal(save(tmp_path / "a.nii.gz", **fields)).code == code


BAD_IMAGES = {
    "sheared": ("E_SHEAR", {"affine": sheared(0.9), "qform_code": 0}),
    "too coarse": ("E_SPACING", {"affine": np.diag([1, 1, 16.0, 1])}),
    "too fine": ("E_SPACING", {"affine": np.diag([1, 1, 0.1, 1])}),
    "NaN in the head": ("E_NAN", {"data": np.pad(with_values({(4, 4, 4): NAN}), 4)}),
    "infinity in the head": ("E_NAN", {"data": np.pad(with_values({(4, 4, 4): INF}), 4)}),
    "too large for float32": ("E_NAN", {"data": with_values({(4, 4, 4): 1e300}, np.float64)}),
    "many NaN": ("E_NAN", {"data": with_values({0: NAN})}),
    "only NaN": ("E_NAN", {"data": np.full(SHAPE, NAN, np.float32)}),
    "all zero": ("E_ALL_ZERO", {"data": np.zeros(SHAPE, np.int16)}),
    "constant": ("E_CONSTANT", {"data": np.full(SHAPE, 7, np.int16)}),
    "label map": ("E_LABEL_MAP", {"data": (scan() % 8).astype(np.uint8)}),
    "four volumes": ("E_4D", {"data": np.stack([scan()] * 4, -1)}),
    "vectors": ("E_4D", {"data": np.stack([scan()] * 3, -1)[:, :, :, None]}),
    "2D": ("E_2D", {"data": scan()[:, :, 3]}),
    "one slice": ("E_2D", {"data": scan()[:, :, 3:4]}),
    "RGB": ("E_RGB", {"data": np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])}),
    "complex": ("E_COMPLEX", {"data": scan().astype(np.complex64)}),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_cannot_be_an_mri_volume_is_refused(tmp_path, name):
    code, arguments = BAD_IMAGES[name]
    assert refusal(save(tmp_path / "a.nii.gz", **arguments)).code == code


RAW = nifti_bytes()
PACKED = gzip.compress(RAW)
BAD_BYTES = {
    "empty": ("E_EMPTY", b""),
    "empty gzip": ("E_EMPTY", gzip.compress(b"")),
    "cut gzip": ("E_TRUNCATED", PACKED[: len(PACKED) // 2]),
    "gzip without checksum": ("E_TRUNCATED", PACKED[:-8]),
    "gzip with half a checksum": ("E_TRUNCATED", PACKED[:-5]),
    "short content": ("E_TRUNCATED", gzip.compress(RAW[: len(RAW) // 2])),
    "header only": ("E_TRUNCATED", gzip.compress(RAW[:352])),
    "half a header": ("E_TRUNCATED", RAW[:200]),
    "cut plain file": ("E_TRUNCATED", RAW[:-1]),
    "wrong checksum": ("E_CRC", PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]),
    "wrong length": ("E_CRC", PACKED[:-1] + bytes([PACKED[-1] ^ 1])),
    "web page": ("E_NOT_NIFTI", b"<!DOCTYPE html><html>404</html>"),
    "text": ("E_NOT_NIFTI", gzip.compress(b"hello" * 200)),
    "picture": ("E_NOT_NIFTI", b"\x89PNG" + RAW),
    "DICOM": ("E_NOT_NIFTI", bytes(128) + b"DICM" + RAW),
    "zeros": ("E_NOT_NIFTI", bytes(1000)),
    "noise": ("E_NOT_NIFTI", struct.pack("<4I", *range(3735928559, 3735928563)) * 50),
    "gzip twice": ("E_NOT_NIFTI", gzip.compress(PACKED)),
    "far too long": ("E_SIZE", gzip.compress(RAW + bytes(100_000))),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bytes_that_are_no_whole_nifti_file_are_refused(tmp_path, name):
    code, content = BAD_BYTES[name]
    assert refusal(save(tmp_path / "a.nii.gz", content)).code == code


def test_a_flipped_bit_is_never_read_as_other_voxels(tmp_path):
    good = np.random.default_rng(0).integers(0, 1000, (30, 31, 32)).astype(np.int16)
    packed = gzip.compress(nifti_bytes(good), mtime=0)
    refused = 0
    for bit in np.random.default_rng(1).integers(0, 8 * len(packed), 60):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path = save(tmp_path / "a.nii.gz", bytes(damaged))
        try:
            assert np.array_equal(read(path).data, good)
        except CaseError:
            refused += 1
    assert refused >= 55


def test_no_flipped_bit_of_gzip_header_and_checksum_gives_other_voxels(tmp_path):
    for bit in [*range(10 * 8), *range(8 * (len(PACKED) - 8), 8 * len(PACKED))]:
        damaged = bytearray(PACKED)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path = save(tmp_path / "a.nii.gz", bytes(damaged))
        with contextlib.suppress(CaseError):
            assert np.array_equal(read(path).data, scan())


@pytest.mark.parametrize(
    ("shape", "code"), [((500, 500, 500), "E_TRUNCATED"), ((20, 20, 20), "E_SIZE")]
)
def test_a_bomb_is_refused_at_once_and_in_little_memory(tmp_path, shape, code):
    raw = nifti_bytes(dim=[3, *shape, 1, 1, 1, 1])[:352] + bytes(30 * 1024**2)
    path = save(tmp_path / "a.nii.gz", gzip.compress(raw, 6))
    del raw
    tracemalloc.start()
    start = time.perf_counter()
    error = refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == code
    assert time.perf_counter() - start < 3
    assert peak < 4 * 1024**2


def test_a_folder_a_pipe_and_a_link_to_itself_are_no_files(tmp_path):
    (tmp_path / "folder.nii.gz").mkdir()
    os.mkfifo(tmp_path / "pipe.nii.gz")
    (tmp_path / "loop.nii.gz").symlink_to(tmp_path / "loop.nii.gz")
    codes = {refusal(tmp_path / f"{name}.nii.gz").code for name in ("folder", "pipe", "loop")}
    assert codes == {"E_NOT_A_FILE"}
    assert refusal(tmp_path / "folder.nii.gz" / "a.nii.gz").code == "E_MISSING"
    assert refusal(save(tmp_path / "file.nii") / "a.nii.gz").code == "E_NOT_A_FILE"


def test_half_a_pair_is_refused_with_the_name_of_the_other(tmp_path):
    nib.save(nib.Nifti1Pair(scan(), AFFINE), tmp_path / "a.img")
    (tmp_path / "a.hdr").unlink()
    error = refusal(tmp_path / "a.img")
    assert error.code == "E_PAIR"
    assert "a.hdr" in str(error)


def test_a_damaged_header_half_is_refused_by_its_own_checksum(tmp_path):
    nib.save(nib.Nifti1Pair(scan(), AFFINE), tmp_path / "a.img.gz")
    read(tmp_path / "a.img.gz")
    header = bytearray((tmp_path / "a.hdr.gz").read_bytes())
    header[-8] ^= 1
    save(tmp_path / "a.hdr.gz", bytes(header))
    assert refusal(tmp_path / "a.img.gz").code == "E_CRC"


def test_a_single_file_that_is_named_like_a_pair_is_refused(tmp_path):
    save(tmp_path / "a.hdr", RAW)
    save(tmp_path / "a.img", RAW)
    assert refusal(tmp_path / "a.hdr").code == "E_PAIR"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (PermissionError(13, "Permission denied"), "E_UNREADABLE"),
        (OSError(5, "Input/output error"), "E_UNREADABLE"),
        (MemoryError(), "E_MEMORY"),
        (struct.error("unexpected"), "E_UNREADABLE"),
    ],
)
def test_no_foreign_exception_escapes(tmp_path, monkeypatch, raised, code):
    def fail(path):
        raise raised

    monkeypatch.setattr(nifti_reading, "read_stored", fail)
    assert refusal(tmp_path / "a.nii.gz").code == code


def test_a_refusal_names_case_modality_and_file(tmp_path):
    error = refusal(tmp_path / "a.nii.gz")
    assert error.code == "E_MISSING"
    assert str(error).startswith(f"case7, t1c, {tmp_path / 'a.nii.gz'}: ")


def test_an_empty_image_is_never_taken_for_a_missing_modality(tmp_path):
    error = refusal(save(tmp_path / "a.nii.gz", data=np.zeros(SHAPE, np.int16)))
    assert "leave it out of the command or remove its file" in str(error)


@pytest.mark.parametrize("kept", ["sform", "qform"])
def test_the_advice_about_two_forms_works(tmp_path, kept):
    path = save(tmp_path / "in.nii.gz", qoffset_x=30)
    advice = str(refusal(path))
    image = nib.load(path)
    if kept == "sform":
        assert "i.set_qform(i.get_sform(), 1)" in advice
        image.set_qform(image.get_sform(), 1)
    else:
        assert "i.set_sform(i.get_qform(), 1)" in advice
        image.set_sform(image.get_qform(), 1)
    nib.save(image, tmp_path / "out.nii.gz")
    assert read(tmp_path / "out.nii.gz").grid.affine[0, 3] == pytest.approx(
        -12.5 if kept == "sform" else 30
    )


# ---- Labels --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_a_label_map_is_read_as_whole_numbers(tmp_path, dtype):
    labels = (scan() % 4).astype(dtype)
    label = read_label(save(tmp_path / "a.nii.gz", data=labels), case_id="case7")
    assert label.values.dtype == np.uint8
    assert np.array_equal(label.values, labels)
    assert label.grid.affine == pytest.approx(AFFINE)
    assert label.warnings == ()


def test_large_labels_and_an_empty_map_are_read(tmp_path):
    large = read_label(save(tmp_path / "a.nii.gz", data=scan() * 30), case_id="case7").values
    assert large.dtype == np.int32
    assert np.array_equal(large, scan() * 30)
    empty = read_label(
        save(tmp_path / "b.nii.gz", data=np.zeros(SHAPE, np.uint8)), case_id="case7"
    ).values
    assert not empty.any()


@pytest.mark.parametrize("value", [0.5, -1, NAN, INF, 1e12])
def test_values_that_are_no_labels_are_refused(tmp_path, value):
    path = save(tmp_path / "a.nii.gz", data=with_values({(4, 4, 4): value}))
    with pytest.raises(CaseError, match="whole numbers") as caught:
        read_label(path, case_id="case7")
    assert caught.value.code == "E_LABEL_VALUES"


@pytest.mark.parametrize("value", [0.99951, 2.0004, 2.99999])
def test_numbers_that_are_whole_but_for_a_thousandth_are_rounded_and_said(tmp_path, value):
    labels = (scan() % 4).astype(np.float32)
    expected = labels.astype(np.uint8)
    expected[4, 4, 4] = round(value)
    labels[4, 4, 4] = value
    label = read_label(save(tmp_path / "a.nii.gz", data=labels), case_id="case7")
    assert np.array_equal(label.values, expected)
    assert "were rounded" in label.warnings[0]


def test_labels_that_a_header_of_whole_numbers_scaled_are_rounded(tmp_path):
    labels = (scan() % 4).astype(np.float64)
    image = nib.Nifti1Image(labels, AFFINE)
    image.set_data_dtype(np.int16)
    nib.save(image, tmp_path / "a.nii.gz")
    assert not np.array_equal(np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj), labels)
    assert np.array_equal(read_label(tmp_path / "a.nii.gz", case_id="case7").values, labels)


@pytest.mark.parametrize("value", [2.9985, 0.5, 1.002])
def test_interpolated_labels_are_refused_with_their_values_and_the_way_out(tmp_path, value):
    path = save(tmp_path / "a.nii.gz", data=with_values({(4, 4, 4): value}))
    with pytest.raises(CaseError) as caught:
        read_label(path, case_id="case7")
    for part in (f"{value:g}", "nearest neighbour", "numpy.rint"):
        assert part in str(caught.value)


# ---- Voxel sizes beside a valid sform -------------------------------------------


BAD_SIZES = [(0, 0, 0), (-1, -1, -3), (NAN, NAN, NAN), (INF, 1, 3), (1, 1, 0), (1, NAN, -3)]


@pytest.mark.parametrize("sizes", BAD_SIZES, ids=str)
@pytest.mark.parametrize("codes", [(1, 0), (1, 1), (2, 3)], ids=str)
@pytest.mark.parametrize("turn", [[1, 1, 1], [-1, -1, 1], [-1, 1, 1]], ids=str)
def test_a_bad_voxel_size_beside_a_valid_sform_is_mended_also_in_the_output(
    tmp_path, sizes, codes, turn
):
    affine = AFFINE * [*turn, 1]
    path = save(tmp_path / "a.nii.gz", affine=affine, codes=codes, pixdim=[1, *sizes, 0, 0, 0, 0])
    volume = read(path)
    assert volume.grid.affine == pytest.approx(affine)
    assert "that of the sform was used" in volume.warnings[0]
    write_volume(tmp_path / "out.nii.gz", volume.data, volume.grid)
    out = nib.load(tmp_path / "out.nii.gz")
    assert out.affine == pytest.approx(affine)
    assert out.header.get_zooms() == pytest.approx((1, 1, 3))
    assert (int(out.header["sform_code"]), int(out.header["qform_code"])) == codes
    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    corner = np.array(image.TransformIndexToPhysicalPoint([8, 7, 6])) * [-1, -1, 1]
    assert corner == pytest.approx((affine @ [8, 7, 6, 1])[:3], abs=1e-4)


def test_a_negative_voxel_size_without_sform_is_mended_by_the_advice(tmp_path):
    path = save(tmp_path / "in.nii.gz", pixdim=[1, -1, -1, -3, 0, 0, 0, 0], sform_code=0)
    assert "n.save(n.load('in.nii.gz'), 'out.nii.gz')" in str(refusal(path))
    nib.save(nib.load(path), tmp_path / "out.nii.gz")
    assert read(tmp_path / "out.nii.gz").grid.affine == pytest.approx(AFFINE)


# ---- Several modalities --------------------------------------------------------


def two(tmp_path, first, second):
    paths = [
        save(tmp_path / f"{name}.nii.gz", **kwargs)
        for name, kwargs in (("t1n", first), ("t1c", second))
    ]
    return dict(zip(("t1n", "t1c"), map(read, paths), strict=True))


def test_modalities_on_one_grid_pass(tmp_path):
    volumes = two(tmp_path, {}, {"affine": moved(0.05), "data": scan(seed=1)})
    on_one_grid(volumes, "case7")
    check_distinct(volumes, "case7")


@pytest.mark.parametrize(
    ("second", "part"),
    [
        ({"affine": moved(2)}, "2.00 voxels apart"),
        ({"data": scan((7, 8, 9))}, "7 x 8 x 9 voxels of 1 x 1 x 3 mm"),
        ({"codes": (0, 0)}, "unknown position"),
    ],
)
def test_modalities_on_two_grids_are_refused_with_both(tmp_path, second, part):
    with pytest.raises(CaseError) as caught:
        on_one_grid(two(tmp_path, {}, second), "case7")
    assert caught.value.code == "E_GRID"
    for expected in ("case7", "t1n.nii.gz", "t1c.nii.gz", "9 x 8 x 7 voxels", part):
        assert expected in str(caught.value)


def test_the_same_scan_for_two_modalities_is_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    shutil.copy(path, tmp_path / "b.nii.gz")
    save(tmp_path / "c.nii")
    for other in ("b.nii.gz", "c.nii"):
        with pytest.raises(CaseError) as caught:
            check_distinct({"t1n": read(path), "t2w": read(tmp_path / other)}, "case7")
        assert caught.value.code == "E_DUPLICATE"
        assert other in str(caught.value)


@pytest.mark.parametrize("value", [2e5, -1e18, 3e30])
def test_an_origin_outside_of_any_scanner_is_refused(tmp_path, value):
    affine = AFFINE.copy()
    affine[1, 3] = value
    with pytest.raises(CaseError, match="Correct the offset") as caught:
        read(save(tmp_path / "a.nii.gz", affine=affine))
    assert caught.value.code == "E_ORIGIN"
