"""BIDS data sets as they come: what is a case of them, what is a scan, and what is left to the user."""

import json
import logging
import re

import pytest

from bundle.datasets.case_files import case_files
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError, UsageError
from bundle.names.image_names import read_name
from bundle.names.patterns import parse_patterns
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.test_layouts import touch


def ids(source, patterns=None):
    return [case["case_id"] for case in list_cases(source, patterns)]


def files(source, patterns=None):
    """Modality to the name of its file, for each case."""
    cases = list_cases(source, patterns)
    return {
        case["case_id"]: {name: path.name for name, path in case_files(case).items()}
        for case in cases
    }


def describe(folder, **facts):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"Name": "x", "BIDSVersion": "1.8.0", **facts})
    (folder / "dataset_description.json").write_text(text)


def anat(root, *suffixes, subject="sub-01", session=None):
    name = subject if session is None else f"{subject}_{session}"
    folder = root / subject / (session or "") / "anat"
    touch(folder, *(f"{name}_{suffix}.nii.gz" for suffix in suffixes))
    return folder


def kind_of(suffix):
    return read_name(f"sub-01_ses-2_{suffix}.nii.gz", DEFAULT_TASK).kind


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("T1w", "t1n"),
        ("run-02_T1w", "t1n"),
        ("acq-mprage_rec-norm_T1w", "t1n"),
        ("space-MNI152NLin2009cAsym_res-1_T1w", "t1n"),
        ("ce-none_T1w", "t1n"),
        ("part-mag_T1w", "t1n"),
        ("ce-gadolinium_T1w", "t1c"),
        ("ce-Gadavist_T1w", "t1c"),
        ("ce-agent7_run-1_T1w", "t1c"),
        ("space-T1c_ce-gd_T1w", "t1c"),
        ("T2w", "t2w"),
        ("ce-gadolinium_T2w", "t2w"),
        ("FLAIR", "t2f"),
        ("space-T1w_FLAIR", "t2f"),
        ("acq-FLAIR_T2w", "t2f"),
    ],
)
def test_a_scan_is_known_by_its_suffix_and_any_agent(suffix, kind):
    assert kind_of(suffix) == kind


@pytest.mark.parametrize(
    "suffix",
    [
        "T1map",
        "T2map",
        "T2starw",
        "inplaneT2",
        "PDw",
        "PDT2",
        "UNIT1",
        "angio",
        "MEGRE",
        "defacemask",
        "desc-brain_mask",
        "label-lesion_mask",
        "label-lesion_roi",
        "dseg",
        "label-GM_probseg",
        "mod-T1w_defacemask",
        "from-T1w_to-x_xfm",
        "part-phase_T2w",
        "part-real_T1w",
        "part-imag_FLAIR",
        "desc-subtraction_T1w",
        "acq-post_T1w",
        "desc-weightT1c_probseg",
        "desc-entropy_probseg",
    ],
)
def test_maps_masks_and_what_leaves_a_doubt_are_no_scans(suffix):
    assert kind_of(suffix) not in DEFAULT_TASK.modality_names


def test_each_subject_and_session_is_a_case(tmp_path):
    describe(tmp_path)
    for session in ("ses-1", "ses-2"):
        anat(tmp_path, "T1w", "ce-gd_T1w", session=session)
    anat(tmp_path, "FLAIR", subject="sub-02")
    found = files(tmp_path)
    assert list(found) == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert found["sub-01_ses-2"] == {
        "t1n": "sub-01_ses-2_T1w.nii.gz",
        "t1c": "sub-01_ses-2_ce-gd_T1w.nii.gz",
    }


def test_masks_and_maps_beside_scans_are_not_taken(tmp_path):
    anat(tmp_path, "T1w", "desc-brain_mask", "label-lesion_roi", "T1map", "part-phase_T1w", "dseg")
    assert files(tmp_path) == {"sub-01": {"t1n": "sub-01_T1w.nii.gz"}}


@pytest.mark.parametrize(
    "pair",
    [
        ("run-1_T1w", "run-2_T1w"),
        ("acq-mprage_T1w", "acq-tse_T1w"),
        ("rec-a_T1w", "rec-b_T1w"),
        ("desc-preproc_T1w", "space-MNI_desc-preproc_T1w"),
        ("echo-1_T1w", "echo-2_T1w"),
        ("T1w", "run-2_T1w"),
    ],
)
def test_of_two_scans_none_is_guessed_and_the_options_of_the_message_choose(tmp_path, pair):
    anat(tmp_path, *pair, "ce-gd_FLAIR", "acq-x_T2w")
    with pytest.raises(CaseError) as error:
        files(tmp_path)
    assert error.value.code == "E_AMBIGUOUS"
    for suffix in pair:
        assert f"sub-01_{suffix}.nii.gz" in str(error.value)
    options = re.findall(r"--pattern (\w+='[^']+')", str(error.value))
    chosen = files(tmp_path, parse_patterns([option.replace("'", "") for option in options]))
    assert chosen["sub-01"] == {
        "t1n": f"sub-01_{pair[1]}.nii.gz",
        "t2w": "sub-01_acq-x_T2w.nii.gz",
        "t2f": "sub-01_ce-gd_FLAIR.nii.gz",
    }


def test_no_pattern_is_proposed_that_would_lose_a_modality(tmp_path):
    anat(tmp_path, "run-1_T1w", "run-2_T1w", "T2w", "part-phase_T2w")
    with pytest.raises(CaseError) as error:
        files(tmp_path)
    assert "--pattern t1n" not in str(error.value)
    assert "--image t1n=FILE" in str(error.value)


@pytest.mark.parametrize("says", [{"DatasetType": "derivative"}, {"PipelineDescription": {}}])
def test_derivatives_beside_the_raw_data_are_left_out_with_a_word(tmp_path, caplog, says):
    describe(tmp_path / "raw", DatasetType="raw")
    describe(tmp_path / "prep", **says)
    anat(tmp_path / "raw", "T1w", "FLAIR")
    anat(tmp_path / "prep", "desc-preproc_T1w", "space-MNI_desc-preproc_FLAIR")
    with caplog.at_level(logging.WARNING):
        assert ids(tmp_path) == ["sub-01"]
    assert "left out, BIDS derivatives: prep" in caplog.text
    assert files(tmp_path) == {"sub-01": {"t1n": "sub-01_T1w.nii.gz", "t2f": "sub-01_FLAIR.nii.gz"}}


def test_derivatives_that_are_given_themselves_are_read(tmp_path):
    describe(tmp_path, DatasetType="derivative")
    anat(tmp_path, "space-T1c_desc-stripped_T1w", "space-T1c_desc-stripped_ce-gd_T1w")
    assert list(files(tmp_path)["sub-01"]) == ["t1n", "t1c"]


def test_a_folder_with_nothing_but_derivatives_is_refused_and_they_are_named(tmp_path):
    describe(tmp_path / "prep", DatasetType="derivative")
    anat(tmp_path / "prep", "desc-preproc_T1w")
    with pytest.raises(UsageError, match="BIDS derivatives: prep; to use one, give it alone"):
        ids(tmp_path)


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"DatasetType": "raw"}', "{}"])
def test_a_description_that_does_not_say_derivative_leaves_a_data_set_in(tmp_path, content):
    anat(tmp_path / "data", "T1w")
    anat(tmp_path / "data", "T1w", subject="sub-02")
    (tmp_path / "data" / "dataset_description.json").write_text(content)
    assert ids(tmp_path) == ["sub-01", "sub-02"]


def test_scans_in_the_folder_of_a_subject_itself_are_a_case(tmp_path):
    touch(tmp_path / "sub-01", "sub-01_T1w.nii.gz", "sub-01_FLAIR.nii.gz")
    touch(tmp_path / "sub-02", "sub-02_T1w.nii.gz")
    assert ids(tmp_path) == ["sub-01", "sub-02"]
