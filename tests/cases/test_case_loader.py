import json
import math

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import GRID_TOLERANCE_VOXELS
from bundle.volumes.image_volume import read_volume
from tests.volumes.nifti_samples import AFFINE, SHAPE, nifti_bytes, save, scan

YEARS = {
    "brats2021": ("_", {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}, (0, 1, 2, 4)),
    "brats2023": (
        "-",
        {modality: modality for modality in DEFAULT_TASK.modality_names},
        (0, 1, 2, 3),
    ),
}
SHIFTED = np.array(AFFINE) + np.array(
    [[0, 0, 0, 2 * GRID_TOLERANCE_VOXELS], [0] * 4, [0] * 4, [0] * 4]
)
OBLIQUE = np.array(
    [[0.9, -0.1, 0.1, 1 / 3], [0.1, 0.9, -0.2, math.pi], [-0.1, 0.2, 0.9, -1e-7], [0, 0, 0, 1]]
)


def labels(shape=SHAPE):
    """Every label, each in a slab of its own."""
    return np.broadcast_to(np.reshape(np.arange(shape[0]) % 4, (-1, 1, 1)), shape).astype(np.uint8)


def write_case(
    folder, modalities=DEFAULT_TASK.modality_names, year="brats2023", label=None, **kwargs
):
    separator, names, numbers = YEARS[year]
    folder.mkdir(parents=True)
    for modality in modalities:
        data = scan(seed=DEFAULT_TASK.modality_names.index(modality))
        save(folder / f"{folder.name}{separator}{names[modality]}.nii.gz", data=data)
    if label is not None:
        on_disk = np.array(numbers, np.uint8)[label]
        save(folder / f"{folder.name}{separator}seg.nii.gz", data=on_disk, **kwargs)
    return folder


def refusal(data, **options):
    with pytest.raises(CaseError) as caught:
        LoadCased(**options)(data)
    return caught.value


@pytest.mark.parametrize("modalities", DEFAULT_TASK.modality_sets(), ids=" ".join)
@pytest.mark.parametrize("year", YEARS)
def test_each_modality_has_its_channel_and_the_others_are_zero_and_absent(
    tmp_path, modalities, year
):
    case = LoadCased()({"image": write_case(tmp_path / "case7", modalities, year)})
    assert case["case_id"] == "case7"
    assert case["image"].dtype == torch.float32
    for index, modality in enumerate(DEFAULT_TASK.modality_names):
        expected = scan(seed=index) if modality in modalities else np.zeros(SHAPE)
        assert np.array_equal(case["image"][index].numpy(), expected)
    assert case["presence"].dtype == torch.bool
    assert case["presence"].tolist() == [
        modality in modalities for modality in DEFAULT_TASK.modality_names
    ]
    assert np.allclose(case["image"].affine, AFFINE)


def test_the_order_and_the_names_of_files_given_by_modality_change_nothing(tmp_path):
    files = {
        m: save(tmp_path / f"{9 - i}.nii", data=scan(seed=i))
        for i, m in enumerate(DEFAULT_TASK.modality_names)
    }
    renamed = {
        "FLAIR": files["t2f"],
        "t1ce": files["t1c"],
        "T2": files["t2w"],
        "t1": str(files["t1n"]),
    }
    one, two = (LoadCased()({"image": images, "case_id": "x"}) for images in (files, renamed))
    assert torch.equal(one["image"], two["image"])
    assert one["record"] == two["record"]


def test_a_modality_given_as_none_was_not_acquired(tmp_path):
    files = {"t1c": save(tmp_path / "a.nii"), "t2f": None}
    assert LoadCased()({"image": files})["presence"].tolist() == [False, True, False, False]


@pytest.mark.parametrize("year", YEARS)
def test_labels_become_regions_with_the_numbering_that_the_file_name_implies(tmp_path, year):
    case = LoadCased(with_label=True)(
        {"image": write_case(tmp_path / "case7", year=year, label=labels())}
    )
    assert np.array_equal(case["label"].numpy(), DEFAULT_TASK.labels_to_regions(labels()))
    assert torch.equal(case["label"].affine, case["image"].affine)


def test_a_declared_numbering_overrules_the_file_name(tmp_path):
    folder = write_case(tmp_path / "case7", label=labels())
    case = LoadCased(with_label=True, label_convention="msd")({"image": folder})
    swapped = np.array([0, 2, 1, 3])[labels()]  # in MSD oedema is 1 and the core 2
    assert np.array_equal(case["label"].numpy(), DEFAULT_TASK.labels_to_regions(swapped))


@pytest.mark.parametrize(
    ("year", "declared"), [("brats2021", "brats2023"), ("brats2023", "brats2021")]
)
def test_labels_that_the_numbering_does_not_have_are_refused(tmp_path, year, declared):
    folder = write_case(tmp_path / "case7", year=year, label=labels())
    error = refusal({"image": folder}, with_label=True, label_convention=declared)
    assert error.code == "E_LABELS"
    assert "case7" in str(error)
    assert declared in str(error)


def test_a_label_whose_name_does_not_tell_its_numbering_is_refused_until_it_is_declared(tmp_path):
    data = {
        "image": write_case(tmp_path / "case7"),
        "label": save(tmp_path / "truth.nii", data=labels()),
    }
    error = refusal(data, with_label=True)
    assert error.code == "E_LABELS"
    assert all(known in str(error) for known in ("truth.nii", "brats2021", "brats2023", "msd"))
    LoadCased(with_label=True, label_convention="brats2023")(data)


def test_an_unknown_numbering_is_a_defect_of_the_caller():
    with pytest.raises(
        ValueError, match="auto, brats2023, brats2021, msd, brats2024, brats-ped; got 'brats1999'"
    ):
        LoadCased(label_convention="brats1999")


def test_a_label_on_another_grid_is_refused(tmp_path):
    folder = write_case(tmp_path / "case7", label=labels(), affine=SHIFTED)
    error = refusal({"image": folder}, with_label=True)
    assert error.code == "E_GRID"
    assert "case7-seg.nii.gz" in str(error)


def test_a_missing_label_is_refused_only_where_one_is_asked_for(tmp_path):
    folder = write_case(tmp_path / "case7")
    assert "label" not in LoadCased()({"image": folder})
    assert refusal({"image": folder}, with_label=True).code == "E_NO_LABEL"


def test_arrays_are_loaded_like_the_file_that_holds_them(tmp_path):
    arrays = {"t2f": scan(seed=1), "t1c": scan(seed=2)}
    files = {m: save(tmp_path / f"{m}.nii", data=data, affine=AFFINE) for m, data in arrays.items()}
    of_arrays = LoadCased()({"image": arrays, "affine": AFFINE, "case_id": "x"})
    of_files = LoadCased()({"image": files, "case_id": "x"})
    assert torch.equal(of_arrays["image"], of_files["image"])
    assert torch.equal(of_arrays["presence"], of_files["presence"])
    assert torch.allclose(of_arrays["image"].affine, of_files["image"].affine)
    assert CaseRecord.from_json(of_arrays["record"]).grid.shape == SHAPE


def test_an_array_given_is_not_changed(tmp_path):
    data = np.pad(scan(dtype=np.float32), 2)
    data[0, 0, 0] = np.nan
    LoadCased()({"image": {"t1c": data}, "affine": np.eye(4)})
    assert np.isnan(data[0, 0, 0])


BAD_ARRAYS = {
    "no affine": (scan(), None, "E_AFFINE"),
    "3 x 3 affine": (scan(), np.eye(3), "E_AFFINE"),
    "flat affine": (scan(), np.diag([1.0, 1, 0, 1]), "E_AFFINE"),
    "NaN affine": (scan(), np.full((4, 4), np.nan), "E_AFFINE"),
    "sheared affine": (
        scan(),
        np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        "E_SHEAR",
    ),
    "affine in micron": (scan(), np.diag([1000.0, 1000, 1000, 1]), "E_SPACING"),
    "four axes": (scan()[None], np.eye(4), "E_SHAPE"),
    "one slice": (scan()[:, :, :1], np.eye(4), "E_SHAPE"),
    "zeros": (np.zeros(SHAPE), np.eye(4), "E_ALL_ZERO"),
    "NaN": (np.full(SHAPE, np.nan), np.eye(4), "E_NAN"),
    "labels": (labels(), np.eye(4), "E_LABEL_MAP"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_an_array_that_cannot_be_a_scan_is_refused_by_name(name):
    values, affine, code = BAD_ARRAYS[name]
    error = refusal({"image": {"t1c": values}, "affine": affine, "case_id": "case7"})
    assert error.code == code
    assert "case7, t1c, array" in str(error)


def test_an_all_zero_file_is_no_missing_modality_and_the_message_says_how_to_leave_it_out(tmp_path):
    folder = write_case(tmp_path / "case7")
    save(folder / "case7-t2f.nii.gz", data=np.zeros(SHAPE, np.int16))
    error = refusal({"image": folder})
    assert error.code == "E_ALL_ZERO"
    assert "leave it out of the command or remove its file" in str(error)


def test_nan_inside_the_brain_is_refused(tmp_path):
    folder = write_case(tmp_path / "case7")
    data = scan(dtype=np.float32)
    data[4, 4, 3] = np.nan
    save(folder / "case7-t2f.nii.gz", data=data)
    assert refusal({"image": folder}).code == "E_NAN"


def test_the_same_scan_for_two_modalities_is_refused_also_under_two_names(tmp_path):
    folder = write_case(tmp_path / "case7", ("t1n", "t1c"))
    save(folder / "case7-t2w.nii", nifti_bytes(data=scan(seed=0)))
    error = refusal({"image": folder})
    assert error.code == "E_DUPLICATE"
    assert "case7-t1n.nii.gz" in str(error)
    assert "case7-t2w.nii" in str(error)


@pytest.mark.parametrize(
    "other", [{"affine": SHIFTED}, {"data": scan((9, 8, 6))}], ids=["place", "shape"]
)
def test_modalities_on_different_grids_are_refused(tmp_path, other):
    folder = write_case(tmp_path / "case7", ("t1n", "t1c"))
    save(folder / "case7-t2w.nii.gz", **{"data": scan(seed=8), **other})
    assert refusal({"image": folder}).code == "E_GRID"


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({}, "E_NO_MODALITY"),
        ({"t1c": None}, "E_NO_MODALITY"),
        ({"t2f": "a.nii", "flair": "b.nii"}, "E_AMBIGUOUS"),
        ({"t1c": "nowhere.nii"}, "E_MISSING"),
        ("nowhere", "E_MISSING"),
    ],
    ids=str,
)
def test_a_case_that_does_not_say_what_to_read_is_refused(image, code):
    error = refusal({"image": image, "case_id": "case7"})
    assert error.code == code
    assert "case7" in str(error)


def test_a_case_that_is_not_skull_stripped_is_read_with_a_warning(tmp_path):
    stripped = LoadCased()({"image": write_case(tmp_path / "case7")})
    assert CaseRecord.from_json(stripped["record"]).warnings == ()
    head = save(
        tmp_path / "head.nii",
        data=np.random.default_rng(1).integers(1, 1000, SHAPE).astype(np.int16),
    )
    (warning,) = CaseRecord.from_json(LoadCased()({"image": {"t1c": head}})["record"]).warnings
    assert "100% of t1c" in warning
    assert "skull-stripped" in warning


def test_a_modality_whose_background_is_filled_is_named_where_the_others_show_the_brain(tmp_path):
    folder = write_case(tmp_path / "case7")
    values = np.random.default_rng(1).integers(1, 1000, SHAPE).astype(np.int16)
    save(folder / "case7-t2f.nii.gz", data=values)
    (warning,) = CaseRecord.from_json(LoadCased()({"image": folder})["record"]).warnings
    assert "100% of t2f is not 0, although" in warning
    assert "skull" not in warning


def test_the_record_names_files_hashes_and_the_modality_of_each_warning(tmp_path):
    folder = write_case(tmp_path / "case7", ("t1c", "t2f"))
    path = save(
        folder / "case7-t2f.nii.gz", nifti_bytes(data=scan(seed=3))
    )  # not compressed, as its name says
    record = CaseRecord.from_json(LoadCased()({"image": folder})["record"])
    assert (record.modalities, record.missing) == (("t1c", "t2f"), ("t1n", "t2w"))
    sha256 = read_volume(path, case_id="", modality="").sha256
    assert record.inputs["t2f"] == {"file": str(path), "sha256": sha256}
    assert [warning.partition(":")[0] for warning in record.warnings] == ["t2f"]


def same_record(a, b):
    assert (a.case_id, a.inputs, a.warnings) == (b.case_id, b.inputs, b.warnings)
    assert (a.grid.shape, a.grid.header) == (b.grid.shape, b.grid.header)
    assert a.grid.affine.tobytes() == b.grid.affine.tobytes()


def oblique_case(tmp_path):
    left, _, right = np.linalg.svd(OBLIQUE[:3, :3])
    affine = np.array(OBLIQUE)
    affine[:3, :3] = left @ right * [0.9, 1.1, 1 / 3]
    path = save(tmp_path / "größe $x.nii", data=scan(), affine=affine)
    return LoadCased()({"image": {"t1c": path}, "case_id": "größe $x"}), path


def test_a_record_comes_back_from_its_json_bit_by_bit(tmp_path):
    case, path = oblique_case(tmp_path)
    record = CaseRecord.from_json(case["record"])
    same_record(record, CaseRecord.from_json(record.to_json()))
    volume = read_volume(path, case_id="", modality="")
    assert record.grid.affine.tobytes() == volume.grid.affine.tobytes()
    assert record.grid.header == volume.grid.header
    assert np.array_equal(nib.load(path).affine, volume.grid.affine)


def test_a_record_with_a_form_that_is_nan_still_comes_back(tmp_path):
    path = save(tmp_path / "a.nii", nifti_bytes(codes=(0, 1), srow_x=[np.nan] * 4))
    record = CaseRecord.from_json(LoadCased()({"image": {"t1c": path}})["record"])
    assert np.isnan(record.grid.header.sform[0]).all()
    assert np.isfinite(record.grid.affine).all()


def test_a_case_survives_collation_into_a_batch_and_back(tmp_path):
    expected, path = oblique_case(tmp_path)
    loader = DataLoader(
        Dataset([{"image": {"t1c": path}, "case_id": "größe $x"}], LoadCased()), batch_size=1
    )
    (batch,) = loader
    (case,) = decollate_batch(batch)
    assert isinstance(case["image"], MetaTensor)
    assert torch.equal(case["image"], expected["image"])
    assert torch.equal(case["image"].affine, expected["image"].affine)
    assert torch.equal(case["presence"], expected["presence"])
    assert json.loads(case["record"]) == json.loads(expected["record"])
    same_record(CaseRecord.from_json(case["record"]), CaseRecord.from_json(expected["record"]))
