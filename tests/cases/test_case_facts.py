import io

import numpy as np
import pytest
from rich.console import Console

from bundle.cases.case_facts import UNLABELLED, describe_case, summarise
from bundle.cases.case_loader import LoadCased
from bundle.cli.description_tables import MAX_ROWS, description_tables
from bundle.datasets.listing import list_cases
from bundle.errors import CaseError
from bundle.volumes.label_image import read_label
from tests.datasets.sample_datasets import rows_of, stripes, write_case, write_msd, write_table
from tests.volumes.nifti_samples import AFFINE, SHAPE, save, scan


@pytest.fixture
def folder(tmp_path):
    """Three labelled cases."""
    for number in range(3):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3))
    return tmp_path / "cases"


def describe(source, labels="auto") -> dict:
    return summarise([describe_case(case, labels) for case in list_cases(source)])


def printed(description) -> str:
    console = Console(width=100, file=io.StringIO())
    for table in description_tables({"layout": "a folder", **description}):
        console.print(table)
    return console.file.getvalue()


def test_a_sound_data_set_is_counted(folder):
    (folder / "c1" / "c1-t1c.nii.gz").unlink()
    (folder / "c2" / "c2-seg.nii.gz").unlink()
    assert describe(folder) == {
        "n_cases": 3,
        "n_usable": 3,
        "n_patients": 3,
        "n_labelled": 2,
        "modalities": {"t1n": 3, "t1c": 2, "t2w": 3, "t2f": 3},
        "modality_sets": {"t1n t1c t2w t2f": 2, "t1n t2w t2f": 1},
        "label_conventions": {"brats2023": 2},
        "label_values": {"0": 2, "1": 2, "2": 2, "3": 2},
        "shapes": {"9 x 8 x 7": 3},
        "spacings_mm": {"1 x 1 x 3": 3},
        "unusable": [],
        "unlabelled": [{"case_id": "c2", "reason": UNLABELLED}],
        "warnings": [],
    }


def test_the_label_is_read_once(folder, monkeypatch):
    read = []
    monkeypatch.setattr(
        "bundle.cases.label_map.read_label",
        lambda path, **options: read.append(path) or read_label(path, **options),
    )
    assert describe_case(list_cases(folder)[0]).label_values == (0, 1, 2, 3)
    assert read == [folder / "c0" / "c0-seg.nii.gz"]


def test_every_layout_of_the_same_cases_is_described_alike(folder, tmp_path):
    of_folder = describe(folder)
    assert describe(write_table(tmp_path / "list.csv", rows_of(folder, tmp_path))) == of_folder
    of_msd = describe(write_msd(tmp_path / "msd", folder))
    assert of_msd["label_conventions"] == {"msd": 2}
    for key in ("n_cases", "modalities", "shapes", "unusable", "warnings"):
        assert of_msd[key] == of_folder[key]


def test_a_case_without_a_label_among_labelled_ones_is_named(folder):
    (folder / "c1" / "c1-seg.nii.gz").unlink(missing_ok=True)
    (entry,) = describe(folder)["unlabelled"]
    assert (entry["case_id"], "leave it out" in entry["reason"]) == ("c1", True)
    tables = description_tables({"layout": "a folder", **describe(folder)})
    assert "Without a label: 1" in [table.title for table in tables]


def test_where_no_case_has_a_label_none_is_called_unlabelled(folder):
    for label in folder.glob("*/*-seg.nii.gz"):
        label.unlink()
    assert describe(folder)["unlabelled"] == []


def test_visits_of_a_patient_are_cases_of_one_patient(tmp_path):
    for visit in ("000", "001"):
        write_case(tmp_path / f"x-00001-{visit}", seed=int(visit))
    description = describe(tmp_path)
    assert (description["n_cases"], description["n_patients"]) == (2, 1)


MOVED = np.array(AFFINE)
MOVED[0, 3] += 2


def _truncate(case):
    path = case / f"{case.name}-t2f.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])


def _remove_all(case):
    for path in case.iterdir():
        path.unlink()


SPOILERS = {
    "E_TRUNCATED": _truncate,
    "E_NO_MODALITY": _remove_all,
    "E_AMBIGUOUS": lambda case: save(case / f"{case.name}-t1ce.nii.gz"),
    "E_GRID": lambda case: save(case / f"{case.name}-seg.nii.gz", data=stripes(0, 1), affine=MOVED),
    "E_LABELS": lambda case: save(case / f"{case.name}-seg.nii.gz", data=stripes(0, 1, 4)),
    "E_LABEL_VALUES": lambda case: save(case / f"{case.name}-seg.nii.gz", data=scan() / 7),
    "E_DUPLICATE": lambda case: save(case / f"{case.name}-t1c.nii.gz", data=scan(seed=7)),
    "E_ALL_ZERO": lambda case: save(case / f"{case.name}-t1c.nii.gz", data=np.zeros_like(scan())),
}


@pytest.mark.parametrize("code", SPOILERS)
def test_a_case_that_cannot_be_used_gets_the_verdict_of_training_and_the_others_go_on(folder, code):
    SPOILERS[code](folder / "c1")
    description = describe(folder)
    (bad,) = description["unusable"]
    with pytest.raises(CaseError) as caught:
        LoadCased(with_label=True)(list_cases(folder)[1])
    assert bad == {"case_id": "c1", "reason": f"{code}: {caught.value}"}
    assert (description["n_cases"], description["n_usable"]) == (3, 2)
    assert description["shapes"] == {"9 x 8 x 7": 2}


def test_a_declared_numbering_makes_a_doubtful_label_usable(folder):
    SPOILERS["E_LABELS"](folder / "c1")
    description = describe(folder, "brats2024")
    assert description["unusable"] == []
    assert description["label_conventions"] == {"brats2024": 3}
    assert [entry["case_id"] for entry in description["warnings"]] == ["c1"]
    assert "resection cavity" in description["warnings"][0]["reason"]


def test_modalities_without_a_background_and_labels_without_tumour_are_worth_a_look(folder):
    save(
        folder / "c0" / "c0-t1n.nii.gz",
        data=np.random.default_rng(1).integers(1, 1000, SHAPE).astype(np.int16),
    )
    save(folder / "c2" / "c2-seg.nii.gz", data=stripes(0))
    first, second = describe(folder)["warnings"]
    assert first["case_id"] == "c0"
    assert "show where the brain ends" in first["reason"]
    assert second == {"case_id": "c2", "reason": "label: no voxel is tumour"}


def test_a_scan_that_stands_in_two_cases_is_named_in_the_second(folder):
    save(folder / "c2" / "c2-t1c.nii.gz", (folder / "c0" / "c0-t1c.nii.gz").read_bytes())
    (warning,) = describe(folder)["warnings"]
    assert warning == {"case_id": "c2", "reason": "t1c: the same file is in case c0"}


def test_the_channels_of_one_4d_file_are_not_taken_for_copies(folder, tmp_path):
    assert describe(write_msd(tmp_path / "msd", folder))["warnings"] == []


def test_the_tables_show_counts_and_every_reason_in_full(folder):
    _truncate(folder / "c1")
    description = describe(folder)
    text = printed(description)
    assert "3, usable 2, labelled 3" in text
    assert "9 x 8 x 7: 2" in text
    shown = "".join(text[text.index("Not usable") :].split())
    assert "".join(description["unusable"][0]["reason"].split()) in shown


def test_names_that_look_like_markup_are_shown_as_they_are(folder):
    _truncate(folder / "c1")
    (folder / "c1").rename(folder / "[red]c1")
    assert "[red]c1" in printed(describe(folder))


def test_a_long_list_is_cut_and_the_rest_counted():
    description = summarise([])
    warnings = [{"case_id": f"c{n:03d}", "reason": "odd"} for n in range(MAX_ROWS + 5)]
    text = printed({**description, "warnings": warnings})
    assert f"c{MAX_ROWS - 1:03d}" in text
    assert f"c{MAX_ROWS:03d}" not in text
    assert "5 more" in text
