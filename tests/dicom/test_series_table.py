"""What is not sure is asked for in series.csv, and what it says is done."""

import csv

import pytest

from bundle.dicom.study import find_series, read_study
from bundle.errors import CaseError, UsageError
from bundle.tasks.default import DEFAULT_TASK
from tests.dicom.studies import PERSONAL, files_of, with_tags


def read(study, work, **given):
    return read_study(study, work, task=DEFAULT_TASK, case_id="case", **given)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def misnamed(study, tmp_path):
    """A study whose FLAIR is called T2, and the table that reading it leaves."""
    with_tags(study, "tirm", SeriesDescription="=t2_tra", ProtocolName="=t2_tra")
    with pytest.raises(CaseError) as caught:
        read(study, tmp_path / "work")
    assert caught.value.code == "E_SERIES"
    return study, tmp_path / "work" / "series.csv", str(caught.value)


def test_a_series_with_a_name_against_its_numbers_is_asked_for(misnamed):
    _, table, message = misnamed
    assert "series 4 (=t2_tra), which may be t2w or t2f" in message
    assert "its name says T2, its numbers FLAIR (TE 86, TR 9000, TI 2500" in message
    assert message.endswith(f"in {table} what they are, and pass it as --series.")
    decided = {row["number"]: row["modality"] for row in rows_of(table)}
    assert decided == {"1": "none", "2": "t1n", "3": "t2w", "4": "?", "5": "none", "6": "t1c"}


def test_the_table_names_no_patient_and_holds_no_formula(misnamed):
    text = misnamed[1].read_text()
    assert ",'=t2_tra," in text
    assert ",=t2_tra" not in text
    assert not any(word.lower() in text.lower() for word in PERSONAL)


def test_a_completed_table_is_followed(misnamed, tmp_path):
    study, table, _ = misnamed
    rows = rows_of(table)
    for row in rows:
        row["modality"] = {"?": "FLAIR", "t1n": "none"}.get(row["modality"], row["modality"])
    images = read(study, tmp_path / "again", series_table=write(table, rows))
    assert tuple(images.files) == ("t1c", "t2w", "t2f")
    assert images.sources["t2f"].evidence == ("decided in series.csv",)
    assert any("Series 2" in text and "decided in series.csv" in text for text in images.others)


def test_other_columns_may_be_gone_and_a_series_without_a_line_is_not_used(misnamed, tmp_path):
    study, table, _ = misnamed
    rows = [
        {"series_uid": row["series_uid"], "modality": "t2f"}
        for row in rows_of(table)
        if row["modality"] == "?"
    ]
    images = read(study, tmp_path / "again", series_table=write(table, rows))
    assert tuple(images.files) == ("t2f",)
    assert any("series.csv lacks it" in text for text in images.others)


def test_what_is_broken_is_refused_whatever_the_table_says(misnamed, tmp_path):
    study, table, _ = misnamed
    rows = [row | {"modality": row["modality"].replace("?", "t2f")} for row in rows_of(table)]
    files_of(study, "=t2_tra")[3].unlink()
    with pytest.raises(CaseError, match="1 missing"):
        read(study, tmp_path / "again", series_table=write(table, rows))


@pytest.mark.parametrize(
    ("line", "modality", "words"),
    [
        (7, "?", "got ?, which nobody has decided on"),
        (7, "pet", "Line 7 of series.csv must say one of t1n, t1c, t2w, t2f or none"),
        (7, "t1n", "Line 7 of series.csv must be the only one of its modality; got t1n"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(misnamed, tmp_path, line, modality, words):
    study, table, _ = misnamed
    rows = rows_of(table)
    assert rows[line - 2]["number"] == "4"
    rows[line - 2]["modality"] = modality
    with pytest.raises(UsageError) as caught:
        read(study, tmp_path / "again", series_table=write(table, rows))
    assert caught.value.code == "E_SERIES_TABLE"
    assert words in str(caught.value)


def test_a_line_that_names_no_series_of_the_study_is_refused_and_one_of_another_study_is_not(
    misnamed, tmp_path
):
    study, table, _ = misnamed
    rows = [row | {"modality": row["modality"].replace("?", "t2f")} for row in rows_of(table)]
    other = {**rows[0], "study_uid": "9.9", "series_uid": "9.9.9", "modality": "t1n"}
    assert len(read(study, tmp_path / "a", series_table=write(table, [*rows, other])).files) == 4
    typo = {**rows[0], "series_uid": "9.9.9"}
    with pytest.raises(UsageError, match="must name a series of the study; got 9"):
        read(study, tmp_path / "b", series_table=write(table, [*rows, typo]))


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "modality,series_uid\nt1n\n", ""])
def test_a_file_that_is_no_such_table_is_refused(study, tmp_path, text):
    (tmp_path / "series.csv").write_text(text)
    with pytest.raises(UsageError, match="Line"):
        read(study, tmp_path / "work", series_table=tmp_path / "series.csv")


def test_contrast_agent_without_tag_and_name_is_asked_for_and_so_is_the_other_t1(study, tmp_path):
    with_tags(
        study, "_KM", ContrastBolusAgent=None, SeriesDescription="t1_mprage", ProtocolName="t1"
    )
    known = find_series(study, task=DEFAULT_TASK, case_id="case")
    titles = [one.title for one in known.series if one.uid in known.choice.unclear]
    assert titles == ["series 2 (t1_mprage_sag_p2_iso)", "series 6 (t1_mprage)"]
    with pytest.raises(CaseError, match="nothing says whether contrast agent was given"):
        read(study, tmp_path / "work", table_out=tmp_path / "table.csv")
    assert [row["modality"] for row in rows_of(tmp_path / "table.csv")].count("?") == 2
