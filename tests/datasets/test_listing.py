from pathlib import Path

import pytest

from bundle.datasets.case_files import case_files
from bundle.datasets.listing import Layout, check_case_id, find_layout, list_cases
from bundle.errors import CaseError, UsageError
from bundle.names.file_names import case_name, find_images, find_label, numbering_by_ending
from bundle.names.patterns import match_patterns, parse_patterns
from bundle.tasks.default import DEFAULT_TASK

NAMES = {
    "2018": [f"Brats18_2013_2_1_{name}.nii.gz" for name in ("t1", "t1ce", "t2", "flair", "seg")],
    "2021": [f"BraTS2021_00006_{name}.nii.gz" for name in ("t1", "t1ce", "t2", "flair", "seg")],
    "2023": [f"BraTS-GLI-00001-000-{name}.nii.gz" for name in ("t1n", "t1c", "t2w", "t2f", "seg")],
    "uncompressed": [f"case-{name}.nii" for name in ("t1n", "t1c", "t2w", "t2f", "seg")],
    "capitals": [f"Case_{name}.NII.GZ" for name in ("T1", "T1CE", "T2", "FLAIR", "SEG")],
    "t2_flair": [f"case_{name}.nii.gz" for name in ("t1", "t1gd", "t2", "t2_flair", "seg")],
    "t2-flair": [f"case.{name}.nii.gz" for name in ("t1w", "t1post", "t2w", "t2-flair", "seg")],
    "bare": [f"{name}.nii.gz" for name in ("t1n", "t1c", "t2w", "t2f", "seg")],
}


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def refusal(folder: Path) -> CaseError:
    with pytest.raises(CaseError) as caught:
        find_images(folder, "case7")
    return caught.value


@pytest.mark.parametrize("year", NAMES)
def test_modalities_and_label_are_found_by_the_names_of_every_year(tmp_path, year):
    touch(tmp_path, *NAMES[year])
    *images, label = NAMES[year]
    assert find_images(tmp_path, "x") == {
        m: tmp_path / name for m, name in zip(DEFAULT_TASK.modality_names, images, strict=True)
    }
    assert list(find_images(tmp_path, "x")) == list(DEFAULT_TASK.modality_names)
    assert find_label(tmp_path, "x") == tmp_path / label


@pytest.mark.parametrize("missing", range(4), ids=DEFAULT_TASK.modality_names)
def test_a_modality_without_a_file_is_left_out(tmp_path, missing):
    touch(tmp_path, *(name for index, name in enumerate(NAMES["2021"][:4]) if index != missing))
    assert list(find_images(tmp_path, "x")) == [
        m for index, m in enumerate(DEFAULT_TASK.modality_names) if index != missing
    ]
    assert find_label(tmp_path, "x") is None


def test_files_with_other_names_are_ignored_beside_a_modality(tmp_path):
    touch(
        tmp_path,
        "case-t1c.nii.gz",
        "case-t1c.json",
        "case-adc.nii.gz",
        "case-t1c_old.nii.gz",
        "notes-t2f.txt",
    )
    assert find_images(tmp_path, "x") == {"t1c": tmp_path / "case-t1c.nii.gz"}


def test_what_a_mac_leaves_beside_a_file_is_no_image(tmp_path):
    touch(tmp_path, "case-t1c.nii.gz", "._case-t1c.nii.gz", ".hidden-t2f.nii.gz")
    assert find_images(tmp_path, "x") == {"t1c": tmp_path / "case-t1c.nii.gz"}
    assert [
        case["case_id"] for case in list_cases(touch(tmp_path / "data" / "a", "._a.nii").parent)
    ] == ["a"]
    assert "no NIfTI image" in str(refusal(tmp_path / "data" / "a"))


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("c-t1c.nii.gz", "c-t1c.nii"), "t1c"),
        (("c_t1ce.nii.gz", "c_t1c.nii.gz"), "t1c"),
        (("c_flair.nii", "c_t2_flair.nii"), "t2f"),
        (("sub-1_run-1_T1w.nii.gz", "sub-1_run-2_T1w.nii.gz"), "t1n"),
        (("sub-1_echo-1_T2w.nii.gz", "sub-1_echo-2_T2w.nii.gz"), "t2w"),
        (("P_run-1_t1.nii.gz", "P_run-2_t1.nii.gz"), "t1n"),
        (("P_ax_flair.nii.gz", "P_sag_flair.nii.gz"), "t2f"),
        (("P_t1_post.nii.gz", "P_t1_gad.nii.gz"), "t1c"),
        (("P_flair.nii.gz", "P_flair_post.nii.gz"), "t2f"),
    ],
    ids=str,
)
def test_two_files_for_one_modality_are_refused_with_both_names(tmp_path, names, key):
    error = refusal(touch(tmp_path, *names))
    assert error.code == "E_AMBIGUOUS"
    assert f"case7: {key} must" in str(error)
    assert all(name in str(error) for name in names[:2])
    assert "--pattern" in str(error)


def test_two_labels_are_refused_where_labels_matter_and_only_there(tmp_path):
    touch(tmp_path, "c-seg.nii", "c_seg.nii", "c-t1c.nii")
    assert list(find_images(tmp_path, "case7")) == ["t1c"]
    with pytest.raises(CaseError, match=r"c-seg\.nii, c_seg\.nii") as caught:
        find_label(tmp_path, "case7")
    assert caught.value.code == "E_AMBIGUOUS"
    assert "--pattern seg=" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["c_final_seg.nii.gz", "tumor_seg.nii.gz", "b-seg.nii.gz", "W39_1998.09.19_Segm.nii"]
)
def test_a_segmentation_of_another_name_is_no_second_patient_and_not_the_label(tmp_path, name):
    touch(tmp_path, "c_t1c.nii.gz", "c_t2.nii.gz", name)
    assert list(find_images(tmp_path, "c")) == ["t1c", "t2w"]
    assert find_label(tmp_path, "c") is None
    touch(tmp_path, "c_seg.nii.gz")
    assert find_label(tmp_path, "c") == tmp_path / "c_seg.nii.gz"


@pytest.mark.parametrize(
    "names", [("a-t1c.nii", "b-t2f.nii"), ("a-t1c.nii", "b-t1c.nii"), ("t1c.nii", "a-t2f.nii")]
)
def test_files_of_two_patients_in_one_folder_are_refused(tmp_path, names):
    error = refusal(touch(tmp_path, *names))
    assert error.code == "E_MIXED"
    assert "'a'" in str(error)
    assert str(tmp_path) in str(error)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), "no NIfTI image"),
        (("notes.txt",), "no NIfTI image"),
        (("c-seg.nii",), "images with other names (c-seg.nii)"),
        (("T1_brain.nii.gz", "adc.nii"), "images with other names (T1_brain.nii.gz, adc.nii)"),
    ],
    ids=str,
)
def test_a_folder_without_a_modality_is_refused_with_what_it_holds(tmp_path, names, found):
    error = refusal(touch(tmp_path, *names))
    assert error.code == "E_NO_MODALITY"
    assert found in str(error)
    assert "--pattern" in str(error)


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("BraTS2021_00006_seg.nii.gz", "brats2021"),
        ("BraTS-GLI-00001-000-seg.nii.gz", "brats2023"),
        ("a-b_seg.nii", "brats2021"),
        ("a_b-seg.nii", "brats2023"),
        ("seg.nii.gz", None),
        ("a.seg.nii.gz", None),
        ("truth.nii.gz", None),
    ],
)
def test_the_name_of_a_label_file_tells_its_numbering_or_nothing(name, convention):
    assert numbering_by_ending(Path("/data/x-y_z") / name, DEFAULT_TASK) == convention


def test_patterns_find_files_of_any_name_in_modalities_order(tmp_path):
    touch(tmp_path / "anat", "x_T1_post.nii.gz", "x_T1.nii.gz")
    touch(tmp_path, "[a].nii")
    patterns = parse_patterns(
        ["T1ce=anat/*_T1_post*", "t1=anat/*_T1.*", "flair=nothing*", "t2=[[]a].nii"]
    )
    assert match_patterns(tmp_path, "x", patterns, DEFAULT_TASK) == {
        "t1n": tmp_path / "anat" / "x_T1.nii.gz",
        "t1c": tmp_path / "anat" / "x_T1_post.nii.gz",
        "t2w": tmp_path / "[a].nii",
    }


def test_a_pattern_that_fits_two_files_is_refused_with_both(tmp_path):
    touch(tmp_path, "x_T1.nii", "x_T1_post.nii")
    with pytest.raises(CaseError, match="narrower") as caught:
        match_patterns(tmp_path, "case7", {"t1n": "*_T1*"}, DEFAULT_TASK)
    assert caught.value.code == "E_AMBIGUOUS"
    assert all(part in str(caught.value) for part in ("case7", "t1n", "x_T1.nii, x_T1_post.nii"))


def test_patterns_that_fit_nothing_are_refused(tmp_path):
    with pytest.raises(CaseError) as caught:
        match_patterns(tmp_path, "case7", {"t1n": "*_T1*"}, DEFAULT_TASK)
    assert caught.value.code == "E_NO_MODALITY"


@pytest.mark.parametrize(
    "options",
    [["t1c"], ["t1c="], ["=x"], ["ct=x"], ["t1c=/abs/*.nii"], ["t1c=a", "t1ce=b"], [""]],
    ids=str,
)
def test_a_pattern_that_is_no_relative_glob_of_one_modality_is_a_usage_error(options):
    with pytest.raises(UsageError) as caught:
        parse_patterns(options)
    assert caught.value.code == "E_PATTERN"
    assert repr(options[-1]) in str(caught.value)


def test_an_equals_sign_may_be_part_of_a_glob():
    assert parse_patterns(["t1c=a=b*"]) == {"t1c": "a=b*"}


def test_a_folder_with_images_is_a_case_even_if_it_has_subfolders(tmp_path):
    touch(tmp_path / "case7", "case7-t1c.nii.gz")
    touch(tmp_path / "case7" / "dicom", "1.dcm")
    assert list_cases(tmp_path / "case7") == ({"case_id": "case7", "image": tmp_path / "case7"},)


def test_a_folder_of_folders_is_a_data_set_and_an_empty_one_stays_listed(tmp_path):
    touch(tmp_path / "b", "b-t1c.nii.gz")
    touch(tmp_path / "a", "a-t1c.nii.gz")
    touch(tmp_path / "empty")
    touch(tmp_path / ".git")
    touch(tmp_path, "README.txt")
    assert [case["case_id"] for case in list_cases(tmp_path)] == ["a", "b", "empty"]


def test_an_empty_folder_is_a_case_that_will_fail(tmp_path):
    assert [case["image"] for case in list_cases(tmp_path)] == [tmp_path]


def test_patterns_travel_with_every_case(tmp_path):
    touch(tmp_path / "a", "x.nii")
    (case,) = list_cases(str(tmp_path), {"t1c": "x*"})
    assert case["patterns"] == {"t1c": "x*"}


def test_a_data_folder_that_is_not_there_or_is_a_file_is_a_usage_error(tmp_path):
    (tmp_path / "file.zip").write_bytes(b"")
    for path in (tmp_path / "nowhere", tmp_path / "file.zip"):
        with pytest.raises(UsageError, match=path.name) as caught:
            list_cases(path)
        assert caught.value.code == "E_FOLDER"


def test_an_image_is_a_case_named_without_its_modality(tmp_path):
    file = touch(tmp_path, "case-t1c.nii.gz") / "case-t1c.nii.gz"
    assert find_layout(file) == Layout.image
    assert list_cases(file) == ({"case_id": "case", "image": file},)


def test_cases_whose_names_differ_in_case_only_fail_both(tmp_path):
    touch(tmp_path / "Case")
    touch(tmp_path / "case")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("the file system here does not tell them apart either")
    for item in list_cases(tmp_path):
        with pytest.raises(CaseError, match="more than case") as caught:
            case_files(item)
        assert caught.value.code == "E_CASE_ID"


@pytest.mark.parametrize(
    "case_id",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        ".hidden",
        "a/",
        "a\\b",
        "a ",
        " a",
        " ",
        "a.",
        "a\nb",
        "a\x1b[2J",
        "a\0b",
        "a\ud800b",
        "a\u202eb",
        "x" * 201,
        "ü" * 101,
    ],
)
def test_a_case_name_that_is_no_plain_file_name_is_a_usage_error(case_id):
    with pytest.raises(UsageError, match="--case-id"):
        check_case_id(case_id)


@pytest.mark.parametrize(
    "case_id",
    ["a", "a b", "$(x)", "-n", "größe", "a.b", "x" * 200, "山田\u3000太郎", "می\u200cخواهم", "CON"],
)
def test_any_plain_file_name_is_a_case_name(case_id):
    assert check_case_id(case_id) == case_id


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("BraTS-GLI-00001-000-t1c.nii.gz", "BraTS-GLI-00001-000"),
        ("BraTS2021_00006_flair.nii.gz", "BraTS2021_00006"),
        ("T1_post.nii.gz", "T1_post"),
        ("t1.nii", "t1"),
        ("scan.v2.nii.gz", "scan.v2"),
        ("1.3.6.1.4.1.9328.50.4.0175.nii.gz", "1.3.6.1.4.1.9328.50.4.0175"),
        ("alice/T1post.nii.gz", "alice"),
        ("alice/image.mha", "alice"),
        ("sub-01/ses-2/anat/T1w.NII.GZ", "sub-01_ses-2"),
        ("sub-01/anat/sub-01_ce-gd_T1w.nii.gz", "sub-01"),
    ],
)
def test_a_case_is_named_after_its_files_without_the_modality(file, name):
    assert case_name(Path(file)) == name
