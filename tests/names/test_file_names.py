"""One file stands for its case, a list is told apart by names, and volumes of a file are what
somebody declares.
"""

import nibabel as nib
import numpy as np
import pytest
import torch

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.names.file_names import find_beside
from bundle.tasks.default import DEFAULT_TASK
from tests.volumes.nifti_samples import AFFINE, save, scan


def write_flat(folder, case_id, modalities=DEFAULT_TASK.modality_names, separator="-"):
    """Several cases in one folder, as in the data store of MONAI Label."""
    return {
        m: save(folder / f"{case_id}{separator}{m}.nii.gz", data=scan(seed=len(case_id) + i))
        for i, m in enumerate(modalities)
    }


def write_4d(path, modalities):
    data = np.stack(
        [scan(seed=DEFAULT_TASK.modality_names.index(modality)) for modality in modalities], axis=-1
    )
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def refusal(data):
    with pytest.raises(CaseError) as caught:
        LoadCased()(data)
    return caught.value


def presence(case):
    return [
        modality
        for modality, flag in zip(
            DEFAULT_TASK.modality_names, case["presence"].tolist(), strict=True
        )
        if flag
    ]


@pytest.mark.parametrize("named", DEFAULT_TASK.modality_names)
def test_a_file_stands_for_all_files_of_its_case_and_for_no_other_case(tmp_path, named):
    files = write_flat(tmp_path, "case1")
    write_flat(tmp_path, "case10")
    write_flat(tmp_path, "case")
    case = LoadCased()({"image": str(files[named])})
    expected = LoadCased()({"image": files})
    assert case["case_id"] == "case1"
    assert torch.equal(case["image"], expected["image"])


def test_a_file_alone_is_a_case_with_one_modality(tmp_path):
    files = write_flat(tmp_path, "case1", ["t2f"])
    write_flat(tmp_path, "case2")
    assert presence(LoadCased()({"image": files["t2f"]})) == ["t2f"]


def test_the_label_beside_a_file_is_no_modality(tmp_path):
    files = write_flat(tmp_path, "case1", ["t1c"])
    save(tmp_path / "case1-seg.nii.gz")
    assert find_beside(files["t1c"], "case1", DEFAULT_TASK) == files


@pytest.mark.parametrize("name", ["case.nii.gz", "BRATS_001.nii.gz", "case1-seg.nii.gz"])
def test_a_file_whose_name_says_no_modality_is_refused_with_two_ways_out(tmp_path, name):
    error = refusal({"image": save(tmp_path / name)})
    assert error.code == "E_FILE_NAME"
    assert all(
        word in str(error)
        for word in (name, "CASE-t1c.nii.gz", "modalities=t1c", "modalities=t1n,t1c,t2w,t2f")
    )


def test_two_files_for_a_modality_of_the_case_are_refused(tmp_path):
    files = write_flat(tmp_path, "case1", ["t1c"])
    save(tmp_path / "case1_t1ce.nii.gz")
    assert refusal({"image": files["t1c"]}).code == "E_AMBIGUOUS"


def test_listed_files_are_told_apart_by_their_names_in_any_order(tmp_path):
    files = write_flat(tmp_path, "case1", ["t1c", "t2w", "t2f"])
    case = LoadCased()({"image": [str(path) for path in reversed(files.values())]})
    assert case["case_id"] == "case1"
    assert torch.equal(case["image"], LoadCased()({"image": files})["image"])


def test_a_listed_file_of_an_unknown_kind_is_refused(tmp_path):
    files = write_flat(tmp_path, "case1", ["t1c"])
    error = refusal({"image": [files["t1c"], save(tmp_path / "case1-adc.nii.gz")]})
    assert error.code == "E_FILE_NAME"
    assert "case1-adc.nii.gz" in str(error)


def test_listed_files_of_two_patients_are_refused(tmp_path):
    one, two = write_flat(tmp_path, "case1", ["t1c"]), write_flat(tmp_path, "case2", ["t2f"])
    assert refusal({"image": [one["t1c"], two["t2f"]]}).code == "E_MIXED"


@pytest.mark.parametrize(
    "order",
    [DEFAULT_TASK.modality_names, ("t2f", "t1n", "t1c", "t2w"), ("t2w", "t1c")],
    ids=",".join,
)
def test_the_volumes_of_a_file_are_what_is_declared(tmp_path, order):
    file = write_4d(tmp_path / "BRATS_001.nii.gz", order)
    case = LoadCased()({"image": str(file), "modalities": ",".join(order)})
    assert case["case_id"] == "BRATS_001"
    for index, modality in enumerate(DEFAULT_TASK.modality_names):
        expected = scan(seed=index) if modality in order else np.zeros_like(scan())
        assert np.array_equal(case["image"][index].numpy(), expected)
    record = CaseRecord.from_json(case["record"])
    assert {m: entry["channel"] for m, entry in record.inputs.items()} == {
        m: order.index(m) for m in order
    }


def test_a_file_with_one_volume_is_the_declared_modality_whatever_its_name_says(tmp_path):
    files = write_flat(tmp_path, "case1")
    assert presence(LoadCased()({"image": files["t1n"], "modalities": "FLAIR"})) == ["t2f"]


def test_an_empty_declaration_declares_nothing(tmp_path):
    files = write_flat(tmp_path, "case1", ["t1c", "t2f"])
    assert presence(LoadCased()({"image": files["t1c"], "modalities": ""})) == ["t1c", "t2f"]


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ("t1n,t1c", "E_4D"),
        ("t1c", "E_4D"),
        ("t1n,t1c,t2w,t2w", "E_AMBIGUOUS"),
        ("t1n,t1c,t2w,adc", "E_MODALITIES"),
    ],
)
def test_a_declaration_that_does_not_fit_the_file_is_refused(tmp_path, declared, code):
    file = write_4d(tmp_path / "case.nii.gz", DEFAULT_TASK.modality_names)
    error = refusal({"image": file, "modalities": declared})
    assert error.code == code
    assert "case" in str(error)


def test_a_declaration_for_anything_but_one_file_is_refused(tmp_path):
    files = write_flat(tmp_path, "case1")
    for source in (tmp_path, list(files.values()), files):
        assert refusal({"image": source, "modalities": "t1c"}).code == "E_MODALITIES"
