"""A scan or a label that is not used is named where users see it: in the case's record and in
`simmlm data`.
"""

import pytest

from bundle.cases.case_facts import describe_case
from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.cases.naming_warnings import label_warnings, naming_warnings, unused_images
from bundle.datasets.case_files import case_files
from bundle.datasets.listing import list_cases
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.sample_datasets import stripes, write_case
from tests.datasets.test_listing import touch
from tests.volumes.nifti_samples import save


def warnings_of(source, patterns=None) -> tuple[str, ...]:
    (item,) = list_cases(source, patterns)
    return naming_warnings(item, case_files(item), DEFAULT_TASK)


@pytest.mark.parametrize(
    "name", ["P_T1_mprage.nii.gz", "P_T1w_brain.mgz", "adc.nii", "P_t1c.nii.bz2", "P_t1c.mnc"]
)
def test_an_image_that_no_modality_takes_is_named(tmp_path, name):
    touch(tmp_path / "P", "P_t1.nii.gz", "P_t2.nii.gz", name)
    (warning,) = warnings_of(tmp_path / "P")
    assert name in warning
    assert "--pattern" in warning


def test_many_are_counted_and_those_that_speak_of_a_modality_come_first(tmp_path):
    touch(tmp_path / "P", "P_t1.nii.gz", *(f"a{n}.nii" for n in range(5)), "z_T1_mprage.nii")
    (warning,) = warnings_of(tmp_path / "P")
    assert "z_T1_mprage.nii, a0.nii, a1.nii, a2.nii and 2 more" in warning


def test_labels_masks_and_what_is_no_image_are_no_lost_modalities(tmp_path):
    touch(
        tmp_path / "P",
        "P_t1.nii.gz",
        "P_seg.nii.gz",
        "brain_mask.nii.gz",
        "P_final_seg.nii",
        "notes.txt",
        "._x.nii",
    )
    assert warnings_of(tmp_path / "P") == ()


def test_a_name_cannot_steer_the_terminal(tmp_path):
    touch(tmp_path / "P", "P_t1.nii.gz", "\x1b[2Jx.nii")
    (warning,) = warnings_of(tmp_path / "P")
    assert warning.isprintable()


def test_patterns_that_leave_a_modality_out_name_its_file_and_not_the_run_that_was_not_chosen(
    tmp_path,
):
    touch(tmp_path / "P", "P_run-1_t1.nii.gz", "P_run-2_t1.nii.gz", "P_t1c.nii.gz")
    (item,) = list_cases(tmp_path / "P", {"t1n": "*run-2*"})
    assert unused_images(item, case_files(item), DEFAULT_TASK) == (tmp_path / "P" / "P_t1c.nii.gz",)


def test_files_beside_one_that_stands_for_its_case_are_named_if_they_share_its_name(tmp_path):
    touch(
        tmp_path, "case1-t1c.nii.gz", "case1-T1_old.nii.gz", "case10-x.nii.gz", "case2-t1c.nii.gz"
    )
    (warning,) = warnings_of(tmp_path / "case1-t1c.nii.gz")
    assert ": case1-T1_old.nii.gz;" in warning


@pytest.mark.parametrize("name", ["P_flair_post.nii.gz", "P_FLAIR_ce.nii.gz"])
def test_a_flair_after_contrast_agent_is_used_with_a_warning(tmp_path, name):
    touch(tmp_path / "P", "P_t1.nii.gz", name)
    (warning,) = warnings_of(tmp_path / "P")
    assert warning.startswith("t2f: ")
    assert name in warning


def test_the_record_of_a_loaded_case_has_the_warning(tmp_path):
    folder = write_case(tmp_path / "c1", label=stripes(0, 1))
    (folder / "c1-t1c.nii.gz").rename(folder / "c1-T1_mprage.nii.gz")
    record = CaseRecord.from_json(LoadCased()(list_cases(folder)[0])["record"])
    assert record.missing == ("t1c",)
    assert any("c1-T1_mprage.nii.gz" in text for text in record.warnings)


def test_a_label_of_another_name_is_named_and_the_case_counts_as_unlabelled(tmp_path):
    folder = write_case(tmp_path / "c1")
    save(folder / "W39_1998.09.19_Segm.nii.gz", data=stripes(0, 1))
    facts = describe_case(list_cases(folder)[0])
    assert not facts.is_labelled
    assert any(
        "W39_1998.09.19_Segm.nii.gz" in text and "unlabelled" in text for text in facts.warnings
    )


def test_a_second_segmentation_beside_the_label_is_named(tmp_path):
    touch(tmp_path / "c", "c_t1.nii", "c_seg.nii", "c_final_seg.nii", "brain_mask.nii")
    (warning,) = label_warnings(list_cases(tmp_path / "c")[0], DEFAULT_TASK)
    assert "c_final_seg.nii" in warning
    assert "brain_mask" not in warning
