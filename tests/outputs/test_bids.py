"""With --bids OUT/bids is a BIDS data set: what is in it, and that the validator takes it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.cases.case_record import CaseRecord
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError, OutputError
from bundle.files.hashes import sha256_of_file
from bundle.outputs.bids import case_tree
from bundle.outputs.bids.case_tree import CaseTree
from bundle.outputs.bids.data_set import DataSet
from bundle.outputs.bids.names import BidsName, unescaped_label
from bundle.outputs.map_writer import MapWriter
from bundle.outputs.output_list import case_outputs
from bundle.tasks.default import DEFAULT_TASK
from tests.outputs.test_map_writer import make_case

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
MODALITIES = DEFAULT_TASK.modality_names


def write(out, case_id="scan-7", *, case=None, bids=True, **options):
    tree = CaseTree(out, DEFAULT_TASK) if bids else None
    writer = MapWriter(out, case_outputs("cd" * 32, **options), tree=tree)
    return writer.write(case or make_case(case_id=case_id), computed_s=1.5)


def files_below(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))


def test_a_bids_case_keeps_its_name():
    assert BidsName.of_case("sub-01_ses-2") == BidsName("01", "2")
    assert BidsName.of_case("sub-01_ses-2").folder.as_posix() == "sub-01/ses-2/anat"
    assert BidsName.of_case("sub-A7").stem == "sub-A7"


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_other_name_becomes_a_label_from_which_it_comes_back(one, other):
    labels = [BidsName.of_case(f"x{text}").subject for text in (one, other)]
    assert all(label.isascii() and label.isalnum() for label in labels)
    assert [unescaped_label(label) for label in labels] == [f"x{one}", f"x{other}"]
    assert (labels[0] == labels[1]) == (one == other)


def test_a_case_is_label_map_with_table_and_sidecar_entropy_and_weights(tmp_path):
    write(tmp_path)
    stem = "sub-scanZ2d7"
    maps = ["desc-entropy_probseg", *(f"desc-weight{m.capitalize()}_probseg" for m in MODALITIES)]
    expected = [f"{stem}_{name}.{end}" for name in maps for end in ("nii.gz", "json")]
    expected += [f"{stem}_dseg.{end}" for end in ("nii.gz", "tsv", "json")]
    assert files_below(tmp_path / "bids" / stem / "anat") == sorted(expected)


def test_maps_of_regions_have_names_of_their_own(tmp_path):
    case = make_case(per_region=True)
    write(tmp_path, case=case, entropy_per_region=True, weights_per_region=True)
    names = files_below(tmp_path / "bids" / "sub-case7" / "anat")
    assert "sub-case7_desc-entropyTC_probseg.nii.gz" in names
    assert "sub-case7_desc-weightT1cWT_probseg.nii.gz" in names
    assert sum(name.endswith("probseg.nii.gz") for name in names) == 4 + 4 * 3


def test_contributions_are_part_of_the_data_set_but_not_who_decided(tmp_path):
    write(tmp_path, case=make_case(contributions="shares"), contributions="shares")
    folder = tmp_path / "bids" / "sub-case7" / "anat"
    name = "sub-case7_desc-contributionT1c_probseg"
    assert f"{name}.nii.gz" in files_below(folder)
    assert "of t1c" in json.loads((folder / f"{name}.json").read_text())["Description"]
    assert not [found for found in files_below(folder) if "ecided" in found]


def test_maps_are_those_of_the_result_and_take_no_room(tmp_path):
    folder = write(tmp_path, "sub-01_ses-2")
    mine = tmp_path / "bids" / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_dseg.nii.gz"
    assert mine.samefile(folder / "sub-01_ses-2_seg.nii.gz")


def test_where_a_disk_has_no_links_maps_are_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    folder = write(tmp_path)
    mine = tmp_path / "bids" / "sub-scanZ2d7" / "anat" / "sub-scanZ2d7_dseg.nii.gz"
    assert not mine.samefile(folder / "scan-7_seg.nii.gz")
    assert sha256_of_file(mine) == sha256_of_file(folder / "scan-7_seg.nii.gz")


@pytest.mark.parametrize("numbering", ["brats2023", "brats2021", "msd"])
def test_the_table_names_the_values_of_the_label_map(tmp_path, numbering):
    write(tmp_path, label_convention=numbering)
    anat = tmp_path / "bids" / "sub-scanZ2d7" / "anat"
    rows = rows_of(anat / "sub-scanZ2d7_dseg.tsv")
    names = {int(row["index"]): row["name"] for row in rows}
    label = np.asarray(nib.load(anat / "sub-scanZ2d7_dseg.nii.gz").dataobj)
    table = DEFAULT_TASK.numberings[numbering].written
    assert set(np.unique(label)) <= set(names)
    assert names == {disk: DEFAULT_TASK.label_names[here] for disk, here in table.items()}
    colours = {row["name"]: row["color"] for row in rows}
    assert colours["oedema"] == DEFAULT_TASK.labels[1].colour


def test_the_sidecar_has_the_facts_of_the_case_without_the_places_of_its_files(tmp_path):
    folder = write(tmp_path)
    facts = json.loads((folder / "scan-7.json").read_text())
    sidecar = json.loads(
        (tmp_path / "bids" / "sub-scanZ2d7/anat/sub-scanZ2d7_dseg.json").read_text()
    )
    mine = sidecar["SimMLM"]
    assert mine["volumes_ml"] == facts["volumes_ml"]
    assert mine["weights_sha256"] == "cd" * 32
    assert mine["inputs"]["t1c"] == {"file": "t1c.nii.gz", "sha256": "ab" * 32}
    assert "/data" not in json.dumps(sidecar)


def test_a_rerun_with_fewer_modalities_leaves_no_map_of_the_first(tmp_path):
    write(tmp_path)
    write(tmp_path, case=make_case(("t1c",), case_id="scan-7"))
    names = files_below(tmp_path / "bids" / "sub-scanZ2d7" / "anat")
    assert [name for name in names if "weight" in name and name.endswith("gz")] == [
        "sub-scanZ2d7_desc-weightT1c_probseg.nii.gz"
    ]


def test_a_rerun_without_bids_takes_the_case_out_of_the_data_set(tmp_path):
    write(tmp_path)
    write(tmp_path, "sub-01_ses-2")
    write(tmp_path, bids=False)
    write(tmp_path, "sub-01_ses-2", bids=False)
    assert list((tmp_path / "bids").iterdir()) == []


def test_where_writing_fails_neither_result_nor_data_set_has_anything(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_tree, "label_table", refuse)
    with pytest.raises(OutputError, match="the disk is full"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_the_result_cannot_be_put_in_place_the_data_set_keeps_the_older_one(
    tmp_path, monkeypatch
):
    write(tmp_path)
    before = files_below(tmp_path / "bids" / "sub-scanZ2d7")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bundle.outputs.map_writer.publish", refuse)
    with pytest.raises(OutputError):
        write(tmp_path, case=make_case(("t1c",), case_id="scan-7"))
    assert files_below(tmp_path / "bids" / "sub-scanZ2d7") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bids", "scan-7"]


def test_what_somebody_else_put_into_the_folder_is_never_touched(tmp_path):
    anat = tmp_path / "bids" / "sub-01" / "anat"
    anat.mkdir(parents=True)
    (anat / "sub-01_T1w.nii.gz").write_bytes(b"a scan")
    writer = MapWriter(tmp_path, case_outputs("cd" * 32), tree=CaseTree(tmp_path, DEFAULT_TASK))
    record = CaseRecord.from_json(make_case(case_id="sub-01")["record"])
    with pytest.raises(CaseError, match=r"it has sub-01_T1w\.nii\.gz") as error:
        writer.check(record)
    assert error.value.code == "E_EXISTS"
    write(tmp_path, "sub-01", bids=False)
    assert (anat / "sub-01_T1w.nii.gz").read_bytes() == b"a scan"


def test_two_cases_that_bids_would_call_alike_do_not_replace_each_other(tmp_path):
    write(tmp_path, "sub-01")
    with pytest.raises(CaseError, match="nothing but an earlier result of this case"):
        write(tmp_path, "01")


def test_a_case_that_is_called_as_the_data_set_is_refused(tmp_path):
    with pytest.raises(CaseError, match="must not be bids") as error:
        write(tmp_path, "Bids")
    assert error.value.code == "E_CASE_ID"
    write(tmp_path / "other", "bids", bids=False)


def test_participants_say_which_case_a_subject_is(tmp_path):
    for case_id in ("scan-7", "sub-01_ses-1", "sub-01_ses-2", "plain"):
        write(tmp_path, case_id)
    DataSet(tmp_path, DEFAULT_TASK).write()
    rows = {
        row["participant_id"]: row["case_id"]
        for row in rows_of(tmp_path / "bids" / "participants.tsv")
    }
    assert rows == {"sub-01": "n/a", "sub-plain": "plain", "sub-scanZ2d7": "scan-7"}


def test_a_data_set_of_somebody_else_is_refused_before_anything_starts(
    tmp_path, tiny_settings, phantom_folder
):
    theirs = json.dumps({"Name": "Raw", "BIDSVersion": "1.8.0"})
    (tmp_path / "bids").mkdir()
    (tmp_path / "bids" / "dataset_description.json").write_text(theirs)
    cases = list_cases(phantom_folder)
    with pytest.raises(OutputError, match="must be of this program"):
        segment_cases(cases, tmp_path, settings={**tiny_settings, "bids": True})
    assert files_below(tmp_path) == ["bids/dataset_description.json"]


@pytest.fixture(scope="module")
def batch(tmp_path_factory, tiny_settings, phantom_folder):
    """Two good cases, one called as in BIDS, and a broken one between them."""
    folder = tmp_path_factory.mktemp("batch")
    first, second = list_cases(phantom_folder)
    broken = folder / "broken-t1c.nii.gz"
    broken.write_bytes(b"no image")
    cases = (
        first,
        {"case_id": "broken", "image": {"t1c": broken}},
        {**second, "case_id": "sub-02_ses-b"},
    )
    settings = {**tiny_settings, "bids": True, "slicer": True, "preview": True}
    outcomes = segment_cases(cases, folder / "out", settings=settings)
    return folder / "out", outcomes, cases, settings


def test_a_batch_goes_on_past_a_broken_case_which_is_not_in_the_data_set(batch):
    out, outcomes, _, _ = batch
    assert [outcome.status for outcome in outcomes] == ["ok", "failed", "ok"]
    rows = {
        row["participant_id"]: row["case_id"] for row in rows_of(out / "bids" / "participants.tsv")
    }
    first = outcomes[0].case_id
    assert rows == {BidsName.of_case(first).participant: first, "sub-02": "n/a"}
    assert (out / "bids" / "sub-02" / "ses-b" / "anat").is_dir()


def test_a_case_that_fails_later_leaves_the_data_set(batch, tmp_path):
    out, _, cases, settings = batch
    shutil.copytree(out, tmp_path / "out")
    source = tmp_path / "images"
    shutil.copytree(cases[0]["image"], source)
    item = {**cases[0], "image": source}
    files = sorted(source.glob("*-t*.nii.gz"))
    segment_cases([item], tmp_path / "out", settings={**settings, "overwrite": True, "again": True})
    for file in files:
        file.write_bytes(b"no image")
    segment_cases([item], tmp_path / "out", settings=settings)
    rows = [
        row["participant_id"] for row in rows_of(tmp_path / "out" / "bids" / "participants.tsv")
    ]
    assert rows == ["sub-02"]


def test_participants_stay_true_in_a_run_without_bids(batch, tmp_path):
    out, _, cases, settings = batch
    shutil.copytree(out, tmp_path / "out")
    segment_cases(cases[:1], tmp_path / "out", settings={**settings, "bids": False})
    rows = [row["participant_id"] for row in rows_of(tmp_path / "out/bids/participants.tsv")]
    assert rows == ["sub-02"]


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_validator_of_bids_finds_no_error(batch, tmp_path):
    out, _, _, _ = batch
    shutil.copytree(out, tmp_path / "out")
    command = [VALIDATOR, "--format", "json", tmp_path / "out" / "bids"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    issues = json.loads(said.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue.get("severity") == "error"]
    assert errors == []
    assert said.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_the_validator_would_see_a_file_that_is_not_bids(batch, tmp_path):
    out, _, _, _ = batch
    shutil.copytree(out, tmp_path / "out")
    (
        tmp_path / "out" / "bids" / "sub-02" / "ses-b" / "anat" / "sub-02_ses-b_entropy.nii.gz"
    ).touch()
    command = [VALIDATOR, "--format", "json", tmp_path / "out" / "bids"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "sub-02_ses-b_entropy.nii.gz" in said.stdout
    assert said.returncode != 0
