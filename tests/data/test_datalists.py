import json

import pytest
import torch

from bundle.data.cases import Layout, find_layout, list_cases
from bundle.data.loading import LoadExamd
from bundle.errors import UsageError
from bundle.modalities import MODALITIES
from tests.data.datasets import rows_of, stripes, write_case, write_json, write_table


@pytest.fixture
def folder(tmp_path):
    """Two labelled exams; lists lie beside their folder."""
    for number in range(2):
        write_case(tmp_path / "exams" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3))
    return tmp_path / "exams"


@pytest.fixture
def rows(folder, tmp_path):
    return rows_of(folder, tmp_path)


def refusal(path) -> str:
    with pytest.raises(UsageError) as caught:
        list_cases(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def write(path, rows):
    return write_table(path, rows) if path.suffix == ".csv" else write_json(path, rows)


BOTH = pytest.mark.parametrize("name", ["list.csv", "list.json"])


@BOTH
def test_a_list_gives_the_same_exams_as_the_folders(folder, rows, tmp_path, name):
    path = write(tmp_path / name, rows)
    assert find_layout(path) == (Layout.table if name.endswith("csv") else Layout.objects)
    for item, case in zip(list_cases(path), list_cases(folder), strict=True):
        assert item["case_id"] == case["case_id"]
        listed, found = (LoadExamd(with_label=True)(data) for data in (item, case))
        assert listed["record"] == found["record"]
        assert torch.equal(listed["image"], found["image"])
        assert torch.equal(listed["label"], found["label"])


@BOTH
def test_columns_may_have_the_names_in_common_use_in_any_order(rows, tmp_path, name):
    renamed = [
        {"label": r["label"], "FLAIR": r["t2f"], "T1ce": r["t1c"], "t2": r["t2w"], "t1": r["t1n"], "case_id": "a"}
        for r in rows[:1]
    ]
    (item,) = list_cases(write(tmp_path / name, renamed))
    assert list(item["image"]) == list(MODALITIES)
    assert item["image"] == {m: tmp_path / rows[0][m] for m in MODALITIES}
    assert item["label"] == tmp_path / rows[0]["label"]


@BOTH
def test_an_empty_field_is_a_modality_that_was_not_acquired(rows, tmp_path, name):
    (item, _) = list_cases(write(tmp_path / name, [{**rows[0], "t1c": "", "label": " "}, rows[1]]))
    assert list(item["image"]) == ["t1n", "t2w", "t2f"]
    assert "label" not in item


def test_null_and_a_key_left_out_are_a_modality_that_was_not_acquired(rows, tmp_path):
    objects = [{**rows[0], "t1c": None}, {"case_id": "b", "t2f": rows[1]["t2f"]}]
    first, second = list_cases(write_json(tmp_path / "list.json", objects))
    assert list(first["image"]) == ["t1n", "t2w", "t2f"]
    assert list(second["image"]) == ["t2f"]


@BOTH
def test_patient_and_numbering_travel_with_a_case(rows, tmp_path, name):
    more = {"patient": "p7", "label_convention": "msd"}
    (item,) = list_cases(write(tmp_path / name, [{**rows[0], **more}]))
    assert {key: item[key] for key in more} == more
    assert "patient" not in list_cases(write(tmp_path / name, rows))[0]


def test_the_numbering_of_a_row_is_used_unless_another_is_declared_for_all(rows, tmp_path):
    (item,) = list_cases(write_table(tmp_path / "list.csv", [{**rows[0], "label_convention": "msd"}]))
    as_msd, as_brats = (LoadExamd(True, convention)(item)["label"] for convention in ("auto", "brats2023"))
    assert not torch.equal(as_msd, as_brats)
    assert torch.equal(as_msd, LoadExamd(True, "msd")(item)["label"])


def test_absolute_paths_and_a_byte_order_mark_are_accepted(rows, tmp_path):
    absolute = [{**row, **{m: str(tmp_path / row[m]) for m in MODALITIES}} for row in rows]
    (tmp_path / "elsewhere").mkdir()
    path = write_table(tmp_path / "elsewhere" / "list.csv", [{**row, "label": ""} for row in absolute])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n")
    assert [item["image"]["t1c"] for item in list_cases(path)] == [tmp_path / row["t1c"] for row in rows]


def test_the_parts_of_a_json_list_travel_with_its_cases(rows, tmp_path):
    content = {"training": rows[:1], "validation": rows[1:], "name": "ours", "numTraining": 1}
    cases = list_cases(write_json(tmp_path / "list.json", content))
    assert [(case["case_id"], case["part"]) for case in cases] == [("c0", "training"), ("c1", "validation")]


BAD_FIELDS = {
    "unknown column": ({"t1w_post": "x.nii"}, "'t1w_post'"),
    "missing file": ({"t2f": "nowhere.nii.gz"}, "nowhere.nii.gz"),
    "a folder": ({"t2f": "exams"}, "exams"),
    "missing label": ({"label": "nowhere-seg.nii.gz"}, "nowhere-seg.nii.gz"),
    "no case id": ({"case_id": ""}, "case_id"),
    "a path as case id": ({"case_id": "../c1"}, "'../c1'"),
    "unknown numbering": ({"label_convention": "brats1999"}, "'brats1999'"),
    "one modality twice": ({"flair": "x.nii"}, "once"),
    "no modality": (dict.fromkeys(MODALITIES, ""), "at least one modality"),
}


@BOTH
@pytest.mark.parametrize("defect", BAD_FIELDS)
def test_a_row_that_cannot_be_used_is_named_with_what_is_wrong(rows, tmp_path, name, defect):
    fields, words = BAD_FIELDS[defect]
    defaults = dict.fromkeys(fields, "") if name == "list.csv" else {}
    message = refusal(write(tmp_path / name, [{**defaults, **rows[0]}, {**rows[1], **fields}]))
    assert words in message
    place = "row 3" if name == "list.csv" else "entry 2"
    assert place in message or (name == "list.csv" and "the first row" in message)


@BOTH
def test_a_case_id_that_stands_twice_is_refused_with_both_rows(rows, tmp_path, name):
    message = refusal(write(tmp_path / name, [*rows, rows[0]]))
    assert "c0" in message
    assert ("row 2 and row 4" if name == "list.csv" else "entry 1 and entry 3") in message


@BOTH
def test_case_ids_that_differ_in_case_only_are_refused(rows, tmp_path, name):
    with pytest.raises(UsageError, match="c0 and C0"):
        list_cases(write(tmp_path / name, [rows[0], {**rows[1], "case_id": "C0"}]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the first row must name case_id"),
        ("case_id;t1c\na;b\n", "'case_id;t1c'"),
        ("case_id,label\na,b\n", "each once"),
        ("t1n,t1c\na,b\n", "each once"),
        ("case_id,t1n,t1\na,b,c\n", "each once"),
        ("case_id,t1n\n", "at least one case"),
        ("case_id,t1n\na\n", "row 2 must have 2 fields; got 1"),
        ("case_id,t1n\n\na,b,c\n", "row 3 must have 2 fields; got 3"),
        ('case_id,t1n\na,"b\n', "must be a CSV table"),
        ("case_id,t1n\na,\xff\n", "must be a CSV table in UTF-8"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_table_that_is_malformed_is_refused(tmp_path, content, words):
    path = tmp_path / "list.csv"
    path.write_bytes(content.encode("latin-1"))
    assert words in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "at least one case"),
        ("text", "must be a list of objects"),
        ({"cases": []}, "must be a list of objects"),
        ([["a"]], "entry 1 must be an object; got list"),
        ({"training": {"case_id": "a"}}, "must stand in a list"),
        ({"training": [], "extra": []}, "['extra']"),
        ([{"case_id": "a", "t1c": 5}], "'t1c'; got 5"),
        ([{"case_id": "a", "image": ["a.nii", "b.nii"]}], "'image'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_json_that_is_no_list_of_cases_is_refused(tmp_path, content, words):
    assert words in refusal(write_json(tmp_path / "list.json", content))


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "list.json").write_text('[{"case_id": "a", "t1c": "x", "t1c": "y"}]', encoding="utf-8")
    assert "the key 't1c' twice" in refusal(tmp_path / "list.json")


def test_text_that_a_config_parser_would_evaluate_stays_text(rows, tmp_path):
    path = write_json(tmp_path / "list.json", [{**rows[0], "case_id": "$print(1)", "patient": "@x"}])
    assert isinstance(list_cases(path), tuple)
    assert json.loads(path.read_text(encoding="utf-8"))[0]["case_id"] == list_cases(path)[0]["case_id"]
