"""What the name of one file says, and what the files beside it add."""

from pathlib import Path

import pytest

from bundle.names.file_names import resolved_names
from bundle.names.image_names import base_name, is_image, is_label_name, read_name
from bundle.tasks.default import DEFAULT_TASK

NATIVE = """T1 t1w t1n P_t1 preT1 T1_pre T1pre T1_native T1nat T1_nativ T1_no_contrast T1_pre_contrast T1_without_gd
T1_ohne_KM T1_vor_KM non-contrast_T1 T1_unenhanced sub-01_T1w sub-01_ses-post_T1w sub-CE_T1w sub-01_ce-none_T1w
sub-01_acq-mprage_T1w slice_t1 P_ax_t1 source_t1""".split()  # noqa: SIM905
CONTRAST = """t1c CT1 t1ce t1gd T1post T1C T1CE T1KM T1+C T1c+ T1_+C T1w_ce T1wce cet1 gdT1 postT1 T1_post T1_ce t1_gad
T1_Gd T1-Gd P_t1_gadolinium T1_post_contrast T1_postcontrast T1_with_contrast T1_nach_KM T1_Kontrast T1_tra_post
T1_mprage_gd T1_CE_tra P_ce_t1 P_post_T1 P_ax_T1_post sub-01_ce-gadolinium_T1w sub-01_ce-dotarem_T1w
sub-01_ce-gd_run-1_T1w sub-01_acq-gd_T1w sub-01_acq-T1post_T1w UPENN-GBM-00001_11_T1GD UCSF-PDGM-0004_T1c""".split()  # noqa: SIM905
UNCLEAR = """T1_pre_post T1c_pre t1n_post T1_mprage mprage tra_post sub-01_T1w_brain T1w_preproc T1_t2 T1_t1c dce_T1
P_tirm_t2 P_seg_t1 T1_map sub-01_acq-post_T1w sub-01_acq-ceMPRAGE_T1w adc T1_after case-t1c_old
BRATS_001 P_T1_bias""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", NATIVE)
def test_a_t1_without_a_word_for_contrast_agent_is_native(name):
    assert read_name(f"{name}.nii.gz", DEFAULT_TASK).kind == "t1n"


@pytest.mark.parametrize("name", CONTRAST)
def test_a_t1_with_a_word_for_contrast_agent_is_never_native(name):
    assert read_name(f"{name}.nii.gz", DEFAULT_TASK).kind == "t1c"


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_name_that_leaves_a_doubt_says_no_modality(name):
    assert read_name(f"{name}.nii.gz", DEFAULT_TASK).kind is None


@pytest.mark.parametrize("name", ["flair_post", "post_flair", "sub-01_ce-gd_FLAIR", "T2_ce"])
def test_t2_and_flair_stay_what_they_are_after_contrast_agent_and_it_is_known(name):
    read = read_name(f"{name}.nii", DEFAULT_TASK)
    assert read.kind in ("t2f", "t2w")
    assert read.has_agent


def kinds(folder: str, *names: str) -> list[str | None]:
    files = [Path(folder) / f"{name}.nii.gz" for name in names]
    return [name.kind for name in resolved_names(files, DEFAULT_TASK).values()]


@pytest.mark.parametrize(
    ("folder", "names", "expected"),
    [
        ("x", ["KM_t1", "KM_t1ce", "KM_t2"], ["t1n", "t1c", "t2w"]),  # initials
        ("x", ["KM_t1", "KM_t2"], [None, "t2w"]),
        ("x", ["post_t1", "post_flair"], [None, "t2f"]),
        ("x", ["pre_t1", "post_t1", "t2"], ["t1n", "t1c", "t2w"]),
        ("x", ["pre_t1", "pre_flair"], ["t1n", "t2f"]),
        ("patient-CE", ["patient-CE_t1", "patient-CE_t2"], ["t1n", "t2w"]),
        ("x", ["P_post_op_t1"], [None]),
        ("label-map", ["label-map-t1c", "label-map-t2f"], ["t1c", "t2f"]),
        ("P", ["P_seg_t1c", "P_t2"], [None, "t2w"]),
        ("x", ["P_post_op_t1", "P_post_op_t2"], ["t1n", "t2w"]),
        ("x", ["P_t1", "P_t2", "P_post_t1"], ["t1n", "t2w", "t1c"]),
    ],
    ids=str,
)
def test_words_that_may_be_of_the_patients_name_are_read_in_the_light_of_the_other_files(
    folder, names, expected
):
    assert kinds(folder, *names) == expected


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("a.b.NII.GZ", "a.b"),
        ("1.2.840.mha", "1.2.840"),
        ("c.hdr.gz", "c"),
        ("x.mgz", "x"),
        ("y.MGH", "y"),
        ("z", "z"),
    ],
)
def test_only_the_ending_of_an_image_is_cut_off(name, base):
    assert base_name(name) == base
    assert is_image(Path(name)) == (name != "z")


@pytest.mark.parametrize(
    "name", ["brain_mask", "W39_1998.09.19_Segm", "tumor_seg", "aseg", "sub-1_dseg", "brainmask"]
)
def test_labels_and_masks_are_known_by_their_names(name):
    assert is_label_name(f"{name}.nii.gz")
    assert not is_label_name("P_T1_bias.nii.gz")
