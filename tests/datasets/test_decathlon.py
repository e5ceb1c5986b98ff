import shutil

import numpy as np
import pytest
import torch

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.datasets.decathlon import Channel
from bundle.datasets.listing import Layout, find_layout, list_cases
from bundle.errors import CaseError, UsageError
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.common_grid import read_input
from tests.datasets.sample_datasets import MSD_ORDER, stripes, write_case, write_json, write_msd
from tests.volumes.nifti_samples import save, scan


@pytest.fixture
def drawn(tmp_path):
    """Three labelled cases in folders of their own."""
    for number in range(3):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3))
    return tmp_path / "cases"


@pytest.fixture
def msd(drawn, tmp_path):
    return write_msd(tmp_path / "Task01", drawn)


def refusal(source) -> UsageError:
    with pytest.raises(UsageError) as caught:
        list_cases(source)
    return caught.value


def test_training_and_test_cases_are_listed_and_only_the_first_have_labels(msd):
    cases = list_cases(msd)
    assert find_layout(msd) == Layout.msd
    assert [case["case_id"] for case in cases] == ["BRATS_000", "BRATS_001", "BRATS_002"]
    assert [case.get("label_convention") for case in cases] == ["msd", "msd", None]
    assert cases[0]["label"] == msd / "labelsTr" / "BRATS_000.nii.gz"
    assert "label" not in cases[2]
    assert cases[2]["image"]["t2f"] == Channel(msd / "imagesTs" / "BRATS_002.nii.gz", 0, 4)


def test_the_description_itself_may_be_named(msd):
    assert list_cases(msd / "dataset.json") == list_cases(msd)


@pytest.mark.parametrize(
    "order", [MSD_ORDER, {"0": "T2w", "1": "t1gd", "2": "FLAIR", "3": "T1w"}], ids=str
)
def test_channels_are_taken_by_their_names_and_labels_by_the_data_sets_own_numbering(
    drawn, tmp_path, order
):
    item = list_cases(write_msd(tmp_path / "msd", drawn, order))[1]
    of_msd, of_folder = (
        LoadCased(with_label=True)(data) for data in (item, {"image": drawn / "c1"})
    )
    assert torch.equal(of_msd["image"], of_folder["image"])
    assert torch.equal(of_msd["presence"], of_folder["presence"])
    assert torch.equal(of_msd["label"], of_folder["label"])
    assert torch.equal(of_msd["label"].affine, of_folder["label"].affine)
    assert CaseRecord.from_json(of_msd["record"]).warnings == ()


def test_a_phantom_is_the_same_as_one_4d_file(phantom_folder, tmp_path):
    item = list_cases(write_msd(tmp_path / "msd", phantom_folder))[0]
    (folder, _) = sorted(phantom_folder.iterdir())
    of_msd, of_folder = (LoadCased(with_label=True)(data) for data in (item, {"image": folder}))
    assert torch.equal(of_msd["image"], of_folder["image"])
    assert torch.equal(of_msd["label"], of_folder["label"])


def test_a_data_set_may_have_two_channels_only(drawn, tmp_path):
    item = list_cases(write_msd(tmp_path / "msd", drawn, {"0": "T2w", "1": "FLAIR"}))[0]
    case = LoadCased()(item)
    assert case["presence"].tolist() == [False, False, True, True]
    assert torch.equal(case["image"][3], LoadCased()({"image": drawn / "c0"})["image"][3])


def test_the_record_says_which_channel_was_read_so_that_it_can_be_read_again(msd):
    case = LoadCased()(list_cases(msd)[0])
    record = CaseRecord.from_json(case["record"])
    assert [record.inputs[modality]["channel"] for modality in DEFAULT_TASK.modality_names] == [
        1,
        2,
        3,
        0,
    ]
    assert len({entry["sha256"] for entry in record.inputs.values()}) == 1
    for index, modality in enumerate(DEFAULT_TASK.modality_names):
        again = read_input(record.inputs[modality], record.grid, case_id="x", modality=modality)
        assert np.array_equal(again.data, case["image"][index].numpy())


@pytest.mark.parametrize(
    "data", [np.stack([scan(seed=s) for s in range(5)], -1), scan()], ids=["five", "one"]
)
def test_another_number_of_volumes_than_named_is_refused(msd, data):
    path = save(msd / "imagesTr" / "BRATS_000.nii.gz", data=data)
    with pytest.raises(CaseError, match="the 4 volumes that the data set names") as caught:
        LoadCased()(list_cases(msd)[0])
    assert caught.value.code == "E_4D"
    assert path.name in str(caught.value)


def test_a_4d_file_without_names_is_refused(msd):
    with pytest.raises(CaseError, match="one file must hold one volume"):
        LoadCased()({"image": {"t1c": msd / "imagesTr" / "BRATS_000.nii.gz"}})


@pytest.mark.parametrize(
    ("volume", "code"),
    [(np.zeros_like(scan()), "E_ALL_ZERO"), (scan(seed=1), "E_DUPLICATE")],
    ids=["empty", "same"],
)
def test_each_channel_is_held_to_the_rules_of_a_scan(msd, volume, code):
    save(
        msd / "imagesTr" / "BRATS_000.nii.gz",
        data=np.stack([scan(seed=s) for s in range(3)] + [volume], -1),
    )
    with pytest.raises(CaseError) as caught:
        LoadCased()(list_cases(msd)[0])
    assert caught.value.code == code
    assert "t2w" in str(caught.value)


def test_a_cut_4d_file_is_refused(msd):
    path = msd / "imagesTr" / "BRATS_000.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CaseError) as caught:
        LoadCased()(list_cases(msd)[0])
    assert caught.value.code == "E_TRUNCATED"


def test_labels_that_the_description_numbers_otherwise_are_not_taken_for_msd(drawn, tmp_path):
    labels = {"0": "background", "1": "necrosis", "2": "edema", "3": "enhancing tumor"}
    item = list_cases(write_msd(tmp_path / "msd", drawn, labels=labels))[0]
    assert "label_convention" not in item
    with pytest.raises(CaseError, match="numbering must be known"):
        LoadCased(with_label=True)(item)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modality": {"0": "FLAIR", "1": "CT", "2": "T1w", "3": "T2w"}}, "'CT'"),
        ({"modality": {"0": "FLAIR", "1": "T1w", "2": "t1", "3": "T2w"}}, "every modality once"),
        ({"modality": {"1": "FLAIR", "2": "T1w"}}, "0, 1, 2"),
        ({"modality": {}}, "0, 1, 2"),
        ({"training": [{"label": "x.nii"}]}, "training[0]"),
        ({"training": [], "test": []}, "at least one case"),
        ({"training": {"image": "x.nii"}}, "'training' must be a list"),
        ({"training": [{"image": "a/x.nii"}, {"image": "b/x.nii"}]}, "x and x"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_description_that_leaves_a_question_is_refused_with_its_name(
    drawn, tmp_path, changes, words
):
    folder = write_msd(tmp_path / "msd", drawn, **changes)
    assert words in str(refusal(folder))


def test_a_description_that_is_not_json_is_refused(msd):
    (msd / "dataset.json").write_text(
        '{"modality": {"0": "FLAIR", "0": "T1w"}, "training": []}', encoding="utf-8"
    )
    assert "the key '0' twice" in str(refusal(msd))
    (msd / "dataset.json").write_text("{", encoding="utf-8")
    assert refusal(msd).code == "E_JSON"


def test_a_description_of_something_else_leaves_a_folder_of_cases_what_it_is(drawn):
    write_json(drawn / "dataset.json", {"name": "ours"})
    assert [case["case_id"] for case in list_cases(drawn)] == ["c0", "c1", "c2"]


def test_an_image_that_is_not_there_fails_its_own_case_only(msd):
    shutil.rmtree(msd / "imagesTs")
    assert len(list_cases(msd)) == 3
    with pytest.raises(CaseError) as caught:
        LoadCased()(list_cases(msd)[2])
    assert caught.value.code == "E_MISSING"


def test_patterns_do_not_go_with_named_channels(msd):
    with pytest.raises(UsageError, match="case folders"):
        list_cases(msd, {"t1c": "*"})
