"""Where people keep their cases: deeper folders, flat folders, nnU-Net's folders, and what lies
among them.
"""

import json
import logging
import os
from pathlib import Path

import pytest

from bundle.datasets import listing as cases
from bundle.datasets.case_files import case_files, case_label
from bundle.datasets.folder_survey import SYSTEM_FOLDERS
from bundle.datasets.listing import Layout, find_layout, list_cases
from bundle.datasets.nnunet import described_numbering
from bundle.errors import CaseError, UsageError
from bundle.names.case_ids import MAX_ID_BYTES
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.test_listing import touch


@pytest.fixture(autouse=True)
def warnings(caplog, monkeypatch):
    """What listing says, also if another test had the same to say."""
    monkeypatch.setattr(logging.getLogger("simmlm"), "propagate", True)
    cases._warn_once.cache_clear()
    caplog.set_level(logging.WARNING)
    return caplog


def ids(source, patterns=None) -> list[str]:
    return [item["case_id"] for item in list_cases(source, patterns)]


def code(item) -> str:
    with pytest.raises(CaseError) as caught:
        case_files(item)
    return caught.value.code


def test_case_folders_one_level_deeper_are_found_and_empty_ones_stay_failed_cases(tmp_path):
    touch(tmp_path / "HGG" / "B19_2_1", "B19_2_1_t1.nii.gz", "B19_2_1_seg.nii.gz")
    touch(tmp_path / "HGG" / "B19_3_1")
    touch(tmp_path / "LGG" / "B19_0_1", "B19_0_1_flair.nii.gz")
    assert ids(tmp_path) == ["B19_2_1", "B19_3_1", "B19_0_1"]
    assert find_layout(tmp_path) == Layout.folders
    assert code(list_cases(tmp_path)[1]) == "E_NO_MODALITY"
    assert (
        case_label(list_cases(tmp_path)[0]) == tmp_path / "HGG" / "B19_2_1" / "B19_2_1_seg.nii.gz"
    )


def test_names_that_repeat_deeper_get_the_folders_above_in_front(tmp_path):
    for site in ("A", "B"):
        touch(tmp_path / site / "c1", "t1.nii.gz")
    assert ids(tmp_path) == ["A_c1", "B_c1"]


def test_visits_by_date_or_number_are_named_after_their_patient(tmp_path):
    touch(tmp_path / "P1" / "2008.03.30", "t1.nii.gz")
    touch(tmp_path / "P2" / "0", "t1.nii.gz")
    assert ids(tmp_path) == ["P1_2008.03.30", "P2_0"]
    assert ids(tmp_path / "P1") == ids(tmp_path / "P1" / "2008.03.30") == ["P1_2008.03.30"]


def test_a_folder_of_labels_beside_the_cases_is_left_out_with_a_word(tmp_path, warnings):
    touch(tmp_path / "images" / "c1", "c1_t1.nii.gz")
    touch(tmp_path / "images_segm", "c1_segm.nii.gz")
    assert ids(tmp_path) == ["c1"]
    assert "images_segm" in warnings.text


def test_bids_subjects_are_named_alike_whether_given_together_or_one_by_one(tmp_path):
    for subject, session in (("sub-01", "ses-1"), ("sub-01", "ses-2"), ("sub-02", "ses-1")):
        anat = tmp_path / subject / session / "anat"
        touch(anat, f"{subject}_{session}_T1w.nii.gz", f"{subject}_{session}_ce-gd_T1w.nii.gz")
        touch(anat.parent / "dwi", f"{subject}_{session}_dwi.nii.gz")
    expected = ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"]
    assert ids(tmp_path) == expected
    assert list(case_files(list_cases(tmp_path)[0])) == ["t1n", "t1c"]
    assert ids(tmp_path / "sub-01") == expected[:2]
    assert ids(tmp_path / "sub-02" / "ses-1") == expected[2:]
    assert ids(tmp_path / "sub-02" / "ses-1" / "anat") == expected[2:]


def test_a_stray_image_hides_no_cases_and_is_named(tmp_path, warnings):
    for name in ("case1", "case2"):
        touch(tmp_path / name, f"{name}-t1c.nii.gz")
    touch(tmp_path, "atlas_t1.nii.gz", "template.nii.gz")
    assert ids(tmp_path) == ["case1", "case2"]
    assert "atlas_t1.nii.gz, template.nii.gz" in warnings.text


def test_steps_of_processing_below_a_case_are_not_taken_for_cases_and_are_named(tmp_path, warnings):
    touch(tmp_path / "P", "P_t1.nii.gz", "P_t2.nii.gz")
    touch(tmp_path / "P" / "step1", "P_t1.nii.gz")
    touch(tmp_path / "P" / "step2", "P_t1.nii.gz")
    assert ids(tmp_path / "P") == ["P"]
    assert "step1, step2" in warnings.text


@pytest.mark.parametrize("name", [*sorted(SYSTEM_FOLDERS), "__MACOSX", "@eaDir"])
def test_folders_that_systems_leave_are_left_out_with_a_word(tmp_path, name, warnings):
    touch(tmp_path / "case1", "case1-t1c.nii.gz")
    touch(tmp_path / name / "case1", "case1-t1c.nii.gz")
    assert ids(tmp_path) == ["case1"]
    assert name in warnings.text


@pytest.mark.parametrize("table", [b"case_id,status,reason,modalities\n", b""])
def test_results_of_an_earlier_run_inside_the_data_are_no_cases(tmp_path, table, warnings):
    touch(tmp_path / "case1", "case1-t1c.nii.gz")
    touch(tmp_path / "out" / "case1", "case1.json", "case1_entropy.nii.gz", "case1_seg.nii.gz")
    if table:
        (tmp_path / "out" / "cases.csv").write_bytes(table)
    assert ids(tmp_path) == ["case1"]
    assert "results of an earlier run" in warnings.text


def test_what_is_left_out_is_said_once(tmp_path, warnings):
    touch(tmp_path / "case1", "case1-t1c.nii.gz")
    touch(tmp_path / "code")
    list_cases(tmp_path)
    list_cases(tmp_path)
    assert len(warnings.records) == 1


def test_links_that_lead_back_and_very_deep_trees_end(tmp_path):
    touch(tmp_path / "loop" / "c", "c-t1.nii")
    (tmp_path / "loop" / "a").symlink_to(tmp_path / "loop")
    (tmp_path / "loop" / "b").symlink_to("b")
    assert ids(tmp_path / "loop") == ["c"]
    touch(tmp_path / "only")
    (tmp_path / "only" / "a").symlink_to(tmp_path / "only")
    with pytest.raises(UsageError, match="leads back"):
        list_cases(tmp_path / "only")
    deep = tmp_path / "deep"
    touch(deep.joinpath(*"d" * 300), "x-t1.nii")
    (item,) = list_cases(deep)
    assert code(item) == "E_NO_MODALITY"


def test_links_keep_their_own_names(tmp_path):
    store = touch(tmp_path / "store", "MD5E-s1--ab.nii.gz") / "MD5E-s1--ab.nii.gz"
    touch(tmp_path / "data" / "case1")
    (tmp_path / "data" / "case1" / "case1-t1c.nii.gz").symlink_to(store)
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "data" / "case1")
    assert ids(tmp_path / "data" / "linked") == ["linked"]
    (item,) = list_cases(tmp_path / "data" / "case1" / "case1-t1c.nii.gz")
    assert item["case_id"] == "case1"
    assert list(case_files(item)) == ["t1c"]


def test_several_cases_in_a_flat_folder_are_told_by_their_names(tmp_path):
    touch(
        tmp_path,
        "case1-t1c.nii.gz",
        "case1-t2f.nii.gz",
        "case1-seg.nii.gz",
        "case2-t2w.nii.gz",
        "notes.txt",
    )
    one, two = list_cases(tmp_path)
    assert find_layout(tmp_path) == Layout.flat
    assert case_files(one) == {m: tmp_path / f"case1-{m}.nii.gz" for m in ("t1c", "t2f")}
    assert case_label(one) == tmp_path / "case1-seg.nii.gz"
    assert (two["case_id"], case_label(two)) == ("case2", None)


@pytest.mark.parametrize(
    "names",
    [("a-t1c", "b-t2f"), ("case-t1c", "case-t2f", "atlas-t1c"), ("t1c", "a-t1c")],
    ids=str,
)
def test_a_folder_that_may_be_one_case_with_two_names_is_refused(tmp_path, names):
    (item,) = list_cases(touch(tmp_path / "case", *(f"{name}.nii.gz" for name in names)))
    assert code(item) == "E_MIXED"


def test_parts_of_one_case_in_a_flat_folder_are_no_two_cases(tmp_path):
    touch(tmp_path, "A-t1c.nii", "A-t2f.nii", "P-t1c.nii", "P_reg-t2f.nii")
    assert [code(item) for item in list_cases(tmp_path)[1:]] == ["E_MIXED", "E_MIXED"]


def test_a_subfolder_with_two_patients_stays_refused(tmp_path):
    touch(tmp_path / "c", "a-t1c.nii", "a-t2f.nii", "b-t1c.nii")
    touch(tmp_path / "d", "d-t1c.nii")
    assert code(list_cases(tmp_path)[0]) == "E_MIXED"


ODD = [
    b"M\xfcller",
    b"a\nb",
    b"x\x1b[2J",
    b"c" * (MAX_ID_BYTES + 1),
    b"c" * MAX_ID_BYTES + b"d",
    b"trailing ",
]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_an_odd_name_fails_its_own_case_and_can_be_printed_and_written(tmp_path, name):
    touch(tmp_path / "good", "good-t1c.nii.gz")
    touch(tmp_path / os.fsdecode(name), "t1c.nii.gz")
    items = list_cases(tmp_path)
    (odd,) = (item for item in items if item["case_id"] != "good")
    assert code(odd) == "E_CASE_ID"
    assert str(odd["problem"]).isprintable()
    assert odd["case_id"].encode().decode().isprintable()
    assert len(odd["case_id"]) < 100
    assert list(case_files(items[[item["case_id"] for item in items].index("good")])) == ["t1c"]


def test_a_file_name_that_is_no_text_fails_its_case(tmp_path):
    touch(tmp_path / "c", os.fsdecode(b"M\xfcller_t1c.nii.gz"))
    assert code(list_cases(tmp_path)[0]) == "E_FILE_NAME"


@pytest.mark.parametrize(
    "source", ["x/" * 2500, "x" * 300, "a\0b", "a\ud800b"], ids=["path", "name", "nul", "half"]
)
def test_a_source_that_no_file_system_has_is_a_usage_error_that_can_be_printed(source):
    with pytest.raises(UsageError) as caught:
        list_cases(source)
    assert caught.value.code == "E_FOLDER"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_no_modality_says_where_images_lie_deeper(tmp_path):
    touch(tmp_path / "c" / "x" / "y" / "z" / "deep", "t1c.nii.gz")
    (item,) = list_cases(tmp_path)
    with pytest.raises(CaseError, match=r"x/y/z/deep"):
        case_files(item)


# ---- patterns ------------------------------------------------------------------


@pytest.mark.parametrize("given", [".", "sub-01"])
def test_patterns_start_at_the_case_folder_whether_it_is_given_alone_or_with_others(
    tmp_path, given
):
    touch(
        tmp_path / "sub-01" / "anat", "sub-01_T1w.nii.gz", "sub-01_T1w.json", "sub-01_lesion.nii.gz"
    )
    patterns = {"T1": "anat/*_T1w*", "label": "anat/*_lesion.nii.gz"}  # as a config may call them
    (item,) = list_cases(tmp_path / given, patterns)
    assert item["case_id"] == "sub-01"
    assert case_files(item) == {"t1n": tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz"}
    assert case_label(item) == tmp_path / "sub-01" / "anat" / "sub-01_lesion.nii.gz"


@pytest.mark.parametrize("key", ["t1c", "seg"])
def test_a_pattern_that_finds_nothing_in_any_case_is_named(tmp_path, key):
    touch(tmp_path / "a", "a_x.nii.gz")
    with pytest.raises(UsageError, match=rf"{key}=\*_y\*.*a_x.nii.gz") as caught:
        list_cases(tmp_path, {"t1n": "*_x*", key: "*_y*"})
    assert caught.value.code == "E_PATTERN"


def test_a_pattern_for_the_label_alone_leaves_the_images_to_their_names(tmp_path):
    touch(tmp_path / "a", "a_t1.nii.gz", "W39_Segm.nii")
    (item,) = list_cases(tmp_path, {"seg": "*_Segm.nii"})
    assert list(case_files(item)) == ["t1n"]
    assert case_label(item) == tmp_path / "a" / "W39_Segm.nii"


# ---- nnU-Net -------------------------------------------------------------------

NAMES = {"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"}


def write_nnunet(root: Path, **content: object) -> Path:
    touch(root / "imagesTr", *(f"BR_001_{n:04d}.nii.gz" for n in range(4)))
    touch(root / "imagesTs", "BR_002_0001.nii.gz")
    touch(root / "labelsTr", "BR_001.nii.gz")
    (root / "dataset.json").write_text(json.dumps({"numTraining": 1, **content}), encoding="utf-8")
    return root


@pytest.mark.parametrize("key", ["channel_names", "modality"])
def test_an_nnunet_data_set_is_read_by_its_channels_names(tmp_path, key):
    training = [{"image": "./imagesTr/BR_001.nii.gz", "label": "./labelsTr/BR_001.nii.gz"}]
    root = write_nnunet(tmp_path / "D", **{key: NAMES, "training": training})
    one, two = list_cases(root)
    assert find_layout(root) == find_layout(root / "dataset.json") == Layout.nnunet
    assert case_files(one)["t1c"] == root / "imagesTr" / "BR_001_0001.nii.gz"
    assert list(case_files(one)) == ["t1n", "t1c", "t2w", "t2f"]
    assert case_label(one) == root / "labelsTr" / "BR_001.nii.gz"
    assert (two["case_id"], list(case_files(two)), case_label(two)) == ("BR_002", ["t1c"], None)
    assert ids(root / "imagesTs") == ["BR_002"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"channel_names": {"0": "CT"}},
        {"channel_names": {"0": "T1", "1": "T1w"}},
        {"channel_names": {"1": "T1"}},
        {"channel_names": ["T1"]},
        {"channel_names": {"0": "noNorm"}},
    ],
    ids=str,
)
def test_channels_that_are_not_named_are_never_guessed(tmp_path, content):
    with pytest.raises(UsageError) as caught:
        list_cases(write_nnunet(tmp_path / "D", **content))
    assert caught.value.code == "E_DATALIST"


def test_nnunet_folders_without_a_description_are_no_cases(tmp_path):
    (write_nnunet(tmp_path / "D") / "dataset.json").unlink()
    with pytest.raises(UsageError, match=r"dataset\.json"):
        list_cases(tmp_path / "D")


def test_a_channel_that_has_no_name_fails_its_case(tmp_path):
    root = write_nnunet(tmp_path / "D", channel_names={"0": "T1", "1": "T1ce"})
    assert [item.get("problem") is not None for item in list_cases(root)] == [True, False]


@pytest.mark.parametrize(
    ("labels", "convention"),
    [
        ({"background": 0, "necrosis": 1, "edema": 2, "enhancing": 3}, "brats2023"),
        ({"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumor": 3}, "msd"),
        (
            {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
            "msd",
        ),
        (
            {
                "background": 0,
                "whole tumor": [1, 2, 3],
                "tumor core": [2, 3],
                "enhancing tumor": [3],
            },
            "msd",
        ),
        (
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": 3},
            "brats2023",
        ),
        ({"background": 0, "NCR": 1, "ED": 2, "ET": 4}, "brats2021"),
        ({"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "RC": 4}, "brats2024"),
        ({"background": 0, "tumour": 1}, None),
        ({"background": 0, "whole tumor": [1, 2], "tumor core": [2]}, None),
        ({"background": 0, "edema": 1, "enhancing": 2}, None),
        (None, None),
    ],
    ids=str,
)
def test_the_numbering_of_labels_is_taken_from_the_description_only_if_certain(labels, convention):
    assert described_numbering({"labels": labels}, DEFAULT_TASK) == convention
