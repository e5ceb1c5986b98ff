"""NRRD, MetaImage and MGH: read as NIfTI is, or refused with a way out that works."""

import contextlib
import gzip
import itertools
import re
import shlex
import shutil
import subprocess
import sys

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from bundle.cases.case_loader import LoadCased
from bundle.errors import CaseError
from bundle.volumes.image_file import peek_header
from bundle.volumes.image_volume import read_volume
from bundle.volumes.label_image import read_label
from tests.volumes.nifti_samples import AFFINE, SHAPE, itk_image, save, save_as, scan

FORMATS = (
    ("nrrd", True),
    ("nrrd", False),
    ("mha", True),
    ("mha", False),
    ("mgz", True),
    ("mgh", False),
)
EACH_FORMAT = pytest.mark.parametrize(
    ("ending", "compressed"), FORMATS, ids=lambda value: str(value)
)
COMPRESSED = pytest.mark.parametrize("ending", ["nrrd", "mha", "mgz"])

TURNS = [
    np.eye(3)[:, list(order)] * signs
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
TILT = Rotation.from_euler("xyz", [0.1, -0.2, 0.3]).as_matrix()


def read(path):
    return read_volume(path, case_id="case7", modality="t1c")


def refusal(path):
    with pytest.raises(CaseError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return caught.value


def turned(turn):
    affine = np.eye(4)
    affine[:3, :3] = turn * [1, 0.9, 3]
    affine[:3, 3] = [-12.5, 4, 30]
    return affine


# ---- What is accepted ----------------------------------------------------------


@EACH_FORMAT
@pytest.mark.parametrize(
    "turn", [TURNS[0], TURNS[5], TURNS[27], TILT], ids=["axial", "flipped", "permuted", "oblique"]
)
def test_voxels_and_place_are_those_of_the_nifti_file(tmp_path, ending, compressed, turn):
    affine = turned(turn)
    volume = read(save_as(tmp_path / f"a.{ending}", affine=affine, compressed=compressed))
    expected = read(save(tmp_path / "a.nii.gz", affine=affine))
    assert np.array_equal(volume.data, expected.data)
    assert volume.data.dtype == np.float32
    assert volume.grid.affine == pytest.approx(expected.grid.affine, abs=1e-4)
    assert volume.warnings == ()


@pytest.mark.parametrize("ending", ["nrrd", "mha", "mgz"])
def test_all_48_orders_of_axes_are_placed_as_their_own_libraries_place_them(tmp_path, ending):
    for turn in TURNS:
        affine = turned(TILT @ turn)
        volume = read(save_as(tmp_path / f"a.{ending}", affine=affine))
        assert np.array_equal(volume.data, scan())
        assert volume.grid.affine == pytest.approx(affine, abs=1e-4)


@EACH_FORMAT
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_every_type_is_read(tmp_path, ending, compressed, dtype):
    data = (scan() % 200).astype(dtype)
    assert np.array_equal(
        read(save_as(tmp_path / f"a.{ending}", data, compressed=compressed)).data, data
    )


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_types_that_only_itk_writes_are_read(tmp_path, ending, dtype):
    assert np.array_equal(read(save_as(tmp_path / f"a.{ending}", scan(dtype=dtype))).data, scan())


def test_the_other_byte_order_is_read(tmp_path):
    plain = save_as(tmp_path / "a.nrrd", compressed=False).read_bytes()
    head, _ = plain.split(b"\n\n", 1)
    big = scan().astype(">i2").tobytes(order="F")
    path = save(
        tmp_path / "b.nrrd", head.replace(b"endian: little", b"endian: big") + b"\n\n" + big
    )
    assert np.array_equal(read(path).data, scan())
    head = save_as(tmp_path / "a.mha", compressed=False).read_bytes()[: -scan().nbytes]
    path = save(tmp_path / "b.mha", head.replace(b"OrderMSB = False", b"OrderMSB = True") + big)
    assert np.array_equal(read(path).data, scan())


@EACH_FORMAT
def test_the_content_decides_not_the_name(tmp_path, ending, compressed):
    other = tmp_path / "b.nii.gz"
    shutil.copy(save_as(tmp_path / f"a.{ending}", compressed=compressed), other)
    assert np.array_equal(read(other).data, scan())


@EACH_FORMAT
def test_a_whole_case_is_the_same_as_from_nifti_voxel_for_voxel(tmp_path, ending, compressed):
    scans = {"t1c": scan(), "t2f": scan(seed=1)}
    nifti = {name: save(tmp_path / f"{name}.nii.gz", data=data) for name, data in scans.items()}
    other = {
        name: save_as(tmp_path / f"{name}.{ending}", data, compressed=compressed)
        for name, data in scans.items()
    }
    expected, case = (LoadCased()({"image": files, "case_id": "x"}) for files in (nifti, other))
    mixed = LoadCased()({"image": {"t1c": nifti["t1c"], "t2f": other["t2f"]}, "case_id": "x"})
    for loaded in (case, mixed):
        assert np.array_equal(loaded["image"], expected["image"])
        assert loaded["image"].affine.numpy() == pytest.approx(expected["image"].affine.numpy())
        assert loaded["presence"].tolist() == expected["presence"].tolist()


def test_a_comment_and_the_line_ends_of_windows_do_no_harm(tmp_path):
    content = save_as(tmp_path / "a.mha").read_bytes()
    head, voxels = content.split(b"LOCAL\n", 1)
    path = save(
        tmp_path / "b.mha",
        b"Comment = \xe4 = \x85b\n" + head.replace(b"\n", b"\r\n") + b"LOCAL\r\n" + voxels,
    )
    assert np.array_equal(read(path).data, scan())
    head, voxels = save_as(tmp_path / "a.nrrd").read_bytes().split(b"\n\n", 1)
    path = save(tmp_path / "b.nrrd", head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + voxels)
    assert np.array_equal(read(path).data, scan())


@pytest.mark.parametrize(
    "space", ["right-anterior-superior", "left-anterior-superior", "RAS", "LPS"]
)
def test_every_anatomical_space_of_nrrd_is_understood(tmp_path, space):
    flips = {"r": (1, 1, 1), "l": (-1, 1, 1) if "anterior" in space else (-1, -1, 1)}[
        space[0].lower()
    ]
    directions = np.diag(flips) @ AFFINE[:3, :3]
    header = {
        "space": space,
        "space directions": directions.T,
        "space origin": np.array(flips) * AFFINE[:3, 3],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), scan(), header)
    volume = read(tmp_path / "a.nrrd")
    assert volume.grid.affine == pytest.approx(AFFINE)
    assert np.array_equal(volume.data, scan())


def test_a_fourth_axis_of_one_is_dropped_wherever_it_stands(tmp_path):
    directions = np.vstack([np.full(3, np.nan), np.diag([1.0, 1, 3])])
    header = {"space": "RAS", "space directions": directions, "space origin": AFFINE[:3, 3]}
    nrrd.write(str(tmp_path / "a.nrrd"), scan()[None], header)
    assert np.array_equal(read(tmp_path / "a.nrrd").data, scan())


def test_units_of_nrrd_become_millimetres(tmp_path):
    header = {
        "space": "RAS",
        "space directions": AFFINE[:3, :3] / 10,
        "space origin": AFFINE[:3, 3] / 10,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), scan(), {**header, "space units": ["cm", "cm", "cm"]})
    volume = read(tmp_path / "a.nrrd")
    assert volume.grid.affine == pytest.approx(AFFINE)
    assert "cm" in volume.warnings[0]


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_a_position_that_the_header_lacks_is_assumed_as_itk_does_and_said(tmp_path, ending):
    nrrd.write(str(tmp_path / "a.nrrd"), scan(), {"spacings": [1, 1, 3]})
    head = (
        b"ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 1 1 3\nDimSize = 9"
        b" 8 7\n"
    )
    save(
        tmp_path / "a.mha",
        head + b"ElementType = MET_SHORT\nElementDataFile = LOCAL\n" + scan().tobytes(order="F"),
    )
    volume, image = read(tmp_path / f"a.{ending}"), sitk.ReadImage(str(tmp_path / f"a.{ending}"))
    assert np.array_equal(volume.data, sitk.GetArrayFromImage(image).T)
    corner = np.array(image.TransformIndexToPhysicalPoint([8, 7, 6])) * [-1, -1, 1]
    assert (volume.grid.affine @ [8, 7, 6, 1])[:3] == pytest.approx(corner)
    assert "assumed, as ITK does" in volume.warnings[0]


def test_what_freesurfer_appends_is_no_reason_to_warn(tmp_path):
    raw = save_as(tmp_path / "a.mgh").read_bytes() + b"mri_convert orig.mgz a.mgh\0" * 10_000
    assert read(save(tmp_path / "b.mgz", gzip.compress(raw))).warnings == ()


# ---- Damage --------------------------------------------------------------------


@EACH_FORMAT
def test_a_file_cut_anywhere_is_refused(tmp_path, ending, compressed):
    whole = save_as(tmp_path / f"a.{ending}", compressed=compressed).read_bytes()
    footer = (
        len(whole) - 284 - scan().nbytes if ending == "mgh" else 0
    )  # scan parameters that nobody needs
    for n_bytes in {
        0,
        3,
        4,
        100,
        283,
        284,
        *range(300, len(whole) - footer, 61),
        len(whole) - footer - 1,
    }:
        assert refusal(save(tmp_path / f"b.{ending}", whole[:n_bytes])).code in {
            "E_EMPTY",
            "E_NOT_NIFTI",
            "E_TRUNCATED",
            "E_HEADER",
        }


@EACH_FORMAT
def test_voxels_that_are_missing_before_compression_are_refused(tmp_path, ending, compressed):
    """ITK reads such files as zeros."""
    path = save_as(tmp_path / f"a.{ending}", compressed=compressed)
    content = path.read_bytes()
    if ending == "mgz":
        content = gzip.compress(gzip.decompress(content)[:-700])
    elif compressed:
        content = content.replace(b"sizes: 9 8 7", b"sizes: 9 8 9").replace(
            b"DimSize = 9 8 7", b"DimSize = 9 8 9"
        )
    else:
        content = content[:-700]
    assert refusal(save(path, content)).code == "E_TRUNCATED"


@COMPRESSED
def test_no_flipped_bit_of_compressed_voxels_is_read_as_other_voxels(tmp_path, ending):
    whole = save_as(tmp_path / f"a.{ending}").read_bytes()
    start = {"nrrd": whole.find(b"\n\n") + 2, "mha": whole.find(b"LOCAL\n") + 6, "mgz": 0}[ending]
    refused = 0
    for bit in np.random.default_rng(0).integers(8 * start, 8 * len(whole), 80):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        with contextlib.suppress(CaseError):
            assert np.array_equal(read(save(tmp_path / f"b.{ending}", bytes(damaged))).data, scan())
            continue
        refused += 1
    assert refused >= 60


@COMPRESSED
def test_a_claim_that_the_file_cannot_hold_is_refused_before_memory_is_reserved(tmp_path, ending):
    content = save_as(tmp_path / f"a.{ending}").read_bytes()
    if ending == "mgz":
        raw = bytearray(gzip.decompress(content))
        raw[4:16] = np.array([600, 600, 600], ">i4").tobytes()
        content = gzip.compress(bytes(raw))
    content = content.replace(b" 9 8 7\n", b" 600 600 600\n")
    assert refusal(save(tmp_path / f"b.{ending}", content)).code == "E_TRUNCATED"
    for huge in (
        b" 99999 99999 99999\n",
        b" 0 8 7\n",
        b" -9 8 7\n",
        b" 9 8\n",
        b" 9 8 1\n",
        b" nine 8 7\n",
    ):
        if ending != "mgz":
            spoiled = save(
                tmp_path / "c.bin",
                save_as(tmp_path / f"a.{ending}").read_bytes().replace(b" 9 8 7\n", huge),
            )
            assert refusal(spoiled).code in {"E_TOO_LARGE", "E_HEADER", "E_2D"}


@COMPRESSED
def test_more_voxels_than_the_header_declares_are_refused(tmp_path, ending):
    large = np.random.default_rng(0).integers(1, 1000, (60, 50, 40)).astype(np.int16)
    content = save_as(tmp_path / f"a.{ending}", large).read_bytes()
    if ending == "mgz":  # FreeSurfer appends what it likes, up to a limit
        content = gzip.compress(gzip.decompress(content) + bytes(5 * 2**20))
    content = content.replace(b" 60 50 40\n", b" 60 50 20\n")
    assert refusal(save(tmp_path / f"b.{ending}", content)).code == "E_SIZE"


@pytest.mark.parametrize("ending", ["nrrd", "mha", "mgh"])
def test_no_byte_of_a_header_can_be_changed_into_a_defect(tmp_path, ending):
    whole = save_as(tmp_path / f"a.{ending}", compressed=False).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, 284 if ending == "mgh" else len(whole) - scan().nbytes, 200):
        damaged = bytearray(whole)
        damaged[place] = rng.integers(0, 256)
        message = ""
        try:
            read(save(tmp_path / f"b.{ending}", bytes(damaged)))
        except CaseError as error:
            message = str(error)
        assert "Report this as a defect" not in message


# ---- What is refused, and the way out ------------------------------------------


def carried_out(error, tmp_path, source):
    """Do what a message says, on a file of the name that the message uses."""
    command = re.search(r'python -c "(?P<code>[^"]+)"', str(error))
    assert command, str(error)
    name = re.search(r"'(in\.[a-z.]+)'", command["code"])[1]
    folder = tmp_path / "way out"
    folder.mkdir()
    for path in source.parent.glob(f"{source.stem}.*"):
        shutil.copy(path, folder / path.name)
    shutil.copy(source, folder / name)
    subprocess.run(
        [sys.executable, "-c", shlex.split(command[0])[2]], cwd=folder, check=True, timeout=120
    )
    return next(folder.glob("out*"))


@pytest.mark.parametrize("ending", ["nhdr", "mhd"])
def test_detached_voxels_are_refused_with_a_command_that_joins_them(tmp_path, ending):
    path = save_as(tmp_path / f"a.{ending}")
    error = refusal(path)
    assert error.code == "E_DETACHED"
    out = carried_out(error, tmp_path, path)
    assert np.array_equal(read(out).data, scan())
    assert read(out).grid.affine == pytest.approx(AFFINE)


@pytest.mark.parametrize("encoding", ["bzip2", "ascii"])
def test_other_encodings_of_nrrd_are_refused_with_a_command_that_changes_them(tmp_path, encoding):
    header = {
        "space": "RAS",
        "space directions": AFFINE[:3, :3],
        "space origin": AFFINE[:3, 3],
        "encoding": encoding,
    }
    nrrd.write(str(tmp_path / "a.nrrd"), scan(), header)
    out = carried_out(refusal(tmp_path / "a.nrrd"), tmp_path, tmp_path / "a.nrrd")
    assert np.array_equal(read(out).data, scan())
    assert read(out).grid.affine == pytest.approx(AFFINE)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_an_unknown_voxel_size_is_refused_with_a_command_that_sets_it(tmp_path, ending):
    content = save_as(tmp_path / f"a.{ending}").read_bytes()
    content = re.sub(rb"(space|space directions|ElementSpacing)(:| =) [^\n]*\n", b"", content)
    path = save(tmp_path / f"b.{ending}", re.sub(rb"space origin: [^\n]*\n", b"", content))
    error = refusal(path)
    assert error.code == "E_SPACING"
    assert np.array_equal(read(carried_out(error, tmp_path, path)).data, scan())


def test_a_bad_step_or_a_missing_place_is_an_unknown_voxel_size(tmp_path):
    content = save_as(tmp_path / "a.mha").read_bytes()
    for bad in (b"ElementSpacing = 0 1 3\n", b"ElementSpacing = nan 1 3\n"):
        path = save(tmp_path / "b.mha", re.sub(rb"ElementSpacing = [^\n]*\n", bad, content))
        assert refusal(path).code == "E_SPACING"
    raw = bytearray(save_as(tmp_path / "a.mgh").read_bytes())
    raw[28:30] = b"\0\0"
    error = refusal(save(tmp_path / "b.mgh", bytes(raw)))
    assert error.code == "E_SPACING"
    assert "mri_convert" in str(error)


def test_colours_and_series_are_refused(tmp_path):
    colours = sitk.Compose([itk_image(scan(), AFFINE)] * 3)
    series = sitk.JoinSeries([itk_image(scan(), AFFINE), itk_image(scan(seed=1), AFFINE)])
    for ending in ("nrrd", "mha"):
        sitk.WriteImage(colours, str(tmp_path / f"rgb.{ending}"))
        sitk.WriteImage(series, str(tmp_path / f"in.{ending}"))
        assert refusal(tmp_path / f"rgb.{ending}").code in {"E_RGB", "E_4D"}
        assert refusal(tmp_path / f"in.{ending}").code == "E_4D"
    nib.save(nib.MGHImage(np.stack([scan()] * 2, -1), AFFINE), tmp_path / "in.mgz")
    assert refusal(tmp_path / "in.mgz").code == "E_4D"


def test_text_of_a_header_cannot_reach_the_terminal_unescaped(tmp_path):
    content = (
        save_as(tmp_path / "a.nrrd").read_bytes().replace(b"type: short", b"type: \x1b[2Jshort")
    )
    assert "\x1b" not in str(refusal(save(tmp_path / "b.nrrd", content)))


def test_an_unknown_space_is_refused(tmp_path):
    content = (
        save_as(tmp_path / "a.nrrd")
        .read_bytes()
        .replace(b"left-posterior-superior", b"scanner-xyz")
    )
    assert refusal(save(tmp_path / "b.nrrd", content)).code == "E_SPACE"


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_dcm2niix_is_advised_for_dicom_only(tmp_path, ending):
    packed = save(
        tmp_path / "packed.nii.gz", gzip.compress(save_as(tmp_path / f"a.{ending}").read_bytes())
    )
    assert "gunzip" in str(refusal(packed))
    assert "dcm2niix -z" not in str(refusal(packed))
    assert "dcm2niix -z" in str(
        refusal(save(tmp_path / "a.dcm", bytes(128) + b"DICM" + bytes(500)))
    )


# ---- Labels --------------------------------------------------------------------


@EACH_FORMAT
def test_a_label_map_may_have_any_format(tmp_path, ending, compressed):
    labels = (scan() % 4).astype(np.uint8)
    label = read_label(
        save_as(tmp_path / f"a.{ending}", labels, compressed=compressed), case_id="case7"
    )
    assert np.array_equal(label.values, labels)
    assert label.values.dtype == np.uint8


def test_a_segmentation_without_values_of_its_own_is_no_label_map_either(tmp_path):
    header = {
        "Segment0_ID": "Segment_1",
        "space": "RAS",
        "space directions": AFFINE[:3, :3],
        "space origin": [0, 0, 0],
    }
    nrrd.write(str(tmp_path / "a.seg.nrrd"), (scan() % 4).astype(np.uint8), header)
    with pytest.raises(CaseError, match="segmentation of 3D Slicer"):
        read_label(tmp_path / "a.seg.nrrd", case_id="case7")


def test_the_numbers_of_a_slicer_segmentation_are_not_taken_for_a_convention(tmp_path):
    labels = (scan() % 4).astype(np.uint8)
    header = {
        "Segment0_ID": "Segment_1",
        "Segment0_LabelValue": "1",
        "Segment0_Name": "oedema",
        "Segment0_Layer": "0",
    }
    place = {"space": "RAS", "space directions": AFFINE[:3, :3], "space origin": AFFINE[:3, 3]}
    nrrd.write(str(tmp_path / "a.seg.nrrd"), labels, {**place, **header})
    with pytest.raises(CaseError) as caught:
        read_label(tmp_path / "a.seg.nrrd", case_id="case7")
    assert caught.value.code == "E_SEGMENTATION"
    assert "1 = oedema" in str(caught.value)
    out = carried_out(caught.value, tmp_path, tmp_path / "a.seg.nrrd")
    assert np.array_equal(read_label(out, case_id="case7").values, labels)


def test_the_first_bytes_are_enough_to_know_the_size(tmp_path):
    for ending, compressed in FORMATS:
        path = save_as(tmp_path / f"a.{ending}", compressed=compressed)
        assert peek_header(path).layout.shape == SHAPE
