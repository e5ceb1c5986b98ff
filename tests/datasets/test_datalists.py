import json

import pytest
import torch

from bundle.cases.case_loader import LoadCased
from bundle.datasets.case_files import case_files, case_label
from bundle.datasets.datalists import read_datalist
from bundle.datasets.listing import Layout, find_layout, list_cases
from bundle.errors import CaseError, UsageError
from bundle.tasks.default import DEFAULT_TASK
from tests.datasets.sample_datasets import (
    rows_of,
    stripes,
    write_case,
    write_json,
    write_msd,
    write_table,
)


@pytest.fixture
def folder(tmp_path):
    """Two labelled cases; lists lie beside their folder."""
    for number in range(2):
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 3))
    return tmp_path / "cases"


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
def test_a_list_gives_the_same_cases_as_the_folders(folder, rows, tmp_path, name):
    path = write(tmp_path / name, rows)
    assert find_layout(path) == (Layout.table if name.endswith("csv") else Layout.objects)
    for item, case in zip(list_cases(path), list_cases(folder), strict=True):
        assert item["case_id"] == case["case_id"]
        listed, found = (LoadCased(with_label=True)(data) for data in (item, case))
        assert listed["record"] == found["record"]
        assert torch.equal(listed["image"], found["image"])
        assert torch.equal(listed["label"], found["label"])


@BOTH
def test_columns_may_have_the_names_in_common_use_in_any_order(rows, tmp_path, name):
    renamed = [
        {
            "label": r["label"],
            "FLAIR": r["t2f"],
            "T1ce": r["t1c"],
            "t2": r["t2w"],
            "t1": r["t1n"],
            "case_id": "a",
        }
        for r in rows[:1]
    ]
    (item,) = list_cases(write(tmp_path / name, renamed))
    assert list(item["image"]) == list(DEFAULT_TASK.modality_names)
    assert item["image"] == {m: tmp_path / rows[0][m] for m in DEFAULT_TASK.modality_names}
    assert item["label"] == tmp_path / rows[0]["label"]


@BOTH
def test_an_empty_field_is_a_modality_that_was_not_acquired(rows, tmp_path, name):
    item, _ = list_cases(write(tmp_path / name, [{**rows[0], "t1c": "", "label": " "}, rows[1]]))
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
    (item,) = list_cases(
        write_table(tmp_path / "list.csv", [{**rows[0], "label_convention": "msd"}])
    )
    as_msd, as_brats = (
        LoadCased(True, convention)(item)["label"] for convention in ("auto", "brats2023")
    )
    assert not torch.equal(as_msd, as_brats)
    assert torch.equal(as_msd, LoadCased(True, "msd")(item)["label"])


def test_absolute_paths_and_a_byte_order_mark_are_accepted(rows, tmp_path):
    absolute = [
        {**row, **{m: str(tmp_path / row[m]) for m in DEFAULT_TASK.modality_names}} for row in rows
    ]
    (tmp_path / "elsewhere").mkdir()
    path = write_table(
        tmp_path / "elsewhere" / "list.csv", [{**row, "label": ""} for row in absolute]
    )
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\r\n")
    assert [item["image"]["t1c"] for item in list_cases(path)] == [
        tmp_path / row["t1c"] for row in rows
    ]


def test_the_parts_of_a_json_list_travel_with_its_cases(rows, tmp_path):
    content = {"training": rows[:1], "validation": rows[1:], "name": "ours", "numTraining": 1}
    cases = list_cases(write_json(tmp_path / "list.json", content))
    assert [(case["case_id"], case["part"]) for case in cases] == [
        ("c0", "training"),
        ("c1", "validation"),
    ]


BAD_FIELDS = {
    "missing file": ({"t2f": "nowhere.nii.gz"}, "E_MISSING", "nowhere.nii.gz"),
    "a folder": ({"t2f": "cases"}, "E_MISSING", "a folder"),
    "a path that is too long": ({"t2f": "d/" * 2500}, "E_MISSING", "d/d/d"),
    "a path with NUL": ({"t2f": "a\0b"}, "E_MISSING", "a\\x00b"),
    "no case id": ({"case_id": ""}, "E_CASE_ID", "case_id"),
    "a path as case id": ({"case_id": "../c1"}, "E_CASE_ID", "'../c1'"),
    "a case id of two lines": ({"case_id": "a\nb"}, "E_CASE_ID", "a\\nb"),
    "a case id with NUL": ({"case_id": "a\0b"}, "E_CASE_ID", "a\\x00b"),
    "a case id that steers a terminal": ({"case_id": "\x1b[2Jx"}, "E_CASE_ID", "\\x1b"),
    "a case id that is too long": ({"case_id": "i" * 300}, "E_CASE_ID", "200 bytes"),
    "unknown numbering": ({"label_convention": "brats1999"}, "E_DATALIST", "'brats1999'"),
    "no modality": (
        dict.fromkeys(DEFAULT_TASK.modality_names, ""),
        "E_NO_MODALITY",
        "at least one modality",
    ),
}


@BOTH
@pytest.mark.parametrize("defect", BAD_FIELDS)
def test_a_row_that_cannot_be_used_fails_alone_with_what_is_wrong(rows, tmp_path, name, defect):
    fields, code, words = BAD_FIELDS[defect]
    defaults = dict.fromkeys(fields, "") if name == "list.csv" else {}
    good, bad = list_cases(write(tmp_path / name, [{**defaults, **rows[0]}, {**rows[1], **fields}]))
    assert len(LoadCased()(good)["image"]) == len(DEFAULT_TASK.modality_names)
    with pytest.raises(CaseError) as caught:
        case_files(bad)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert (", row 3" if name == "list.csv" else ", entry 2") in str(caught.value)


@BOTH
@pytest.mark.parametrize("defect", BAD_FIELDS)
def test_a_failed_row_has_a_name_and_a_reason_that_any_terminal_and_table_can_show(
    rows, tmp_path, name, defect
):
    fields, _, _ = BAD_FIELDS[defect]
    defaults = dict.fromkeys(fields, "") if name == "list.csv" else {}
    bad = list_cases(write(tmp_path / name, [{**defaults, **rows[0]}, {**rows[1], **fields}]))[1]
    assert bad["case_id"] == (
        "c1" if "case_id" not in fields else "row-3" if name == "list.csv" else "entry-2"
    )
    assert str(bad["problem"]).isprintable()
    assert len(str(bad["problem"])) < 1500


def test_a_lone_surrogate_in_json_is_an_odd_name_like_any_other(rows, tmp_path):
    path = write_json(
        tmp_path / "list.json",
        [{**rows[0], "case_id": "a\ud800b"}, {**rows[1], "t1c": "\ud800.nii"}],
    )
    first, second = list_cases(path)
    assert (first["case_id"], first["problem"].code) == ("entry-1", "E_CASE_ID")
    assert (second["case_id"], second["problem"].code) == ("c1", "E_MISSING")
    assert str(second["problem"]).isprintable()


@BOTH
def test_all_that_is_wrong_with_a_row_is_said_at_once(rows, tmp_path, name):
    bad = {**rows[0], "t1c": "no-t1c.nii", "t2f": "no-t2f.nii", "case_id": "a/b"}
    message = str(list_cases(write(tmp_path / name, [bad, rows[1]]))[0]["problem"])
    assert all(words in message for words in ("no-t1c.nii", "no-t2f.nii", "'a/b'"))
    assert f"starts at {tmp_path}" in message


@BOTH
@pytest.mark.parametrize("other", ["c0", "C0"])
def test_rows_of_one_case_id_all_fail_and_name_each_other(rows, tmp_path, name, other):
    cases = list_cases(write(tmp_path / name, [*rows, {**rows[1], "case_id": other}]))
    places = ["row 2", "row 4"] if name == "list.csv" else ["entry 1", "entry 3"]
    assert [case["case_id"] for case in cases] == [
        places[0].replace(" ", "-"),
        "c1",
        places[1].replace(" ", "-"),
    ]
    assert "problem" not in cases[1]
    for case in (cases[0], cases[2]):
        assert f"c0 in {places[0]} and {other} in {places[1]}" in str(case["problem"])


def test_the_name_of_a_failed_row_never_takes_that_of_a_case(rows, tmp_path):
    cases = list_cases(
        write_table(
            tmp_path / "list.csv", [{**rows[0], "case_id": "Row-3"}, {**rows[1], "case_id": ".."}]
        )
    )
    assert [case["case_id"] for case in cases] == ["Row-3", "row-3_"]
    assert "problem" not in cases[0]


@BOTH
@pytest.mark.parametrize("text", ["nowhere-seg.nii.gz", "a\0b.nii.gz", "d/" * 2500, "cases"])
def test_a_label_that_is_missing_matters_only_where_labels_are_read(rows, tmp_path, name, text):
    item, _ = list_cases(write(tmp_path / name, [{**rows[0], "label": text}, rows[1]]))
    assert LoadCased()(item)["image"].any()
    assert case_label(item) is not None
    with pytest.raises(CaseError) as caught:
        LoadCased(with_label=True)(item)
    assert str(caught.value).isprintable()


def test_one_modality_under_two_names_of_an_object_fails(rows, tmp_path):
    objects = [{**rows[0], "flair": "x.nii"}, rows[1]]
    assert "t2f twice" in str(list_cases(write_json(tmp_path / "list.json", objects))[0]["problem"])
    empty, _ = list_cases(write_json(tmp_path / "list.json", [{**rows[0], "flair": None}, rows[1]]))
    assert empty["image"]["t2f"] == tmp_path / rows[0]["t2f"]


@BOTH
def test_columns_that_are_not_read_are_named_once_and_slips_of_the_pen_too(
    rows, tmp_path, name, caplog
):
    more = [{**row, "age": "50", "t1x": row["t1c"], "t1c": "", "site\x1b": "A"} for row in rows]
    cases = list_cases(write(tmp_path / name, more))
    assert ["t1c" in case["image"] for case in cases] == [False, False]
    (record,) = caplog.records
    assert all(words in record.getMessage() for words in ("t1x (is it t1", "age", "site\\x1b"))


def test_no_word_is_said_where_all_columns_are_read(rows, tmp_path, caplog):
    list_cases(
        write_table(tmp_path / "list.csv", [{**row, "fold": "1", "patient": "p"} for row in rows])
    )
    assert not caplog.records


@pytest.mark.parametrize("ending", ["csv", "CSV", "tsv", "Tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_may_be_separated_and_encoded_as_spreadsheets_do(
    folder, tmp_path, ending, separator, encoding
):
    (tmp_path / "a, b; c").mkdir()
    image = (folder / "c0" / "c0-t1c.nii.gz").rename(tmp_path / "a, b; c" / "größe.nii.gz")
    text = (
        f'"case_id"{separator}"T1ce"{separator}"label"\r\nc0{separator} "a, b; c/größe.nii.gz"'
        f" {separator}\r\n"
    )
    path = tmp_path / f"list.{ending}"
    path.write_bytes(text.replace('" ' + separator, '"' + separator).encode(encoding))
    (item,) = list_cases(path)
    assert item == {"case_id": "c0", "image": {"t1c": image}}


@pytest.mark.parametrize("start", ["sep=;\r\n", "\r\n\r\n", ";;;\r\n", '"sep=;"\n'])
def test_what_a_spreadsheet_puts_before_and_after_a_table_is_not_part_of_it(rows, tmp_path, start):
    path = tmp_path / "list.csv"
    path.write_text(
        f"{start}case_id;t1c;;\n\nc0;{rows[0]['t1c']};;\n;;;\nc1;x;;\n", encoding="utf-8"
    )
    first, second = list_cases(path)
    assert first == {"case_id": "c0", "image": {"t1c": tmp_path / rows[0]["t1c"]}}
    assert f", row {3 + start.count(chr(10)) + 2}" in str(second["problem"])


def test_lines_that_end_as_on_an_old_mac_are_lines(rows, tmp_path):
    (tmp_path / "list.csv").write_bytes(f"case_id,t1c\rc0,{rows[0]['t1c']}\r".encode())
    assert [case["case_id"] for case in list_cases(tmp_path / "list.csv")] == ["c0"]


@pytest.mark.parametrize("cells", ["c1", "c1,b, c.nii,"])
def test_a_row_of_more_or_fewer_fields_fails_with_the_hint_about_quotes(rows, tmp_path, cells):
    path = tmp_path / "list.csv"
    path.write_text(f"case_id,t1n\nc0,{rows[0]['t1n']}\n{cells}\n", encoding="utf-8")
    good, bad = list_cases(path)
    assert "problem" not in good
    assert bad["case_id"] == "c1"
    assert "row 3 (case c1): the row must have 2 fields" in str(bad["problem"])
    assert "Quote fields" in str(bad["problem"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no case_id, no modality"),
        ("case_id|t1c\na|b\n", "separate them by commas, semicolons or tabs"),
        ("case_id,patient\na,b\n", "no modality"),
        ("t1n,t1c\na,b\n", "no case_id"),
        ("case_id,t1n,t1\na,b,c\n", "t1n twice"),
        ("t1n,t1,label,seg\na,b,c\n", "t1n twice, label twice, no case_id"),
        ("case_id,t1n\n", "must list 1 to 1000000 cases; got 0"),
        ('case_id,t1n\na,"b\n', "must be a CSV table"),
        (f"case_id,t1n\na,{'b' * 200_000}\n", "field limit"),
        ("case_id,t1n\na,\xff\n", "byte 0xff in line 2, as in Latin-1"),
        ("PK\x03\x04", "an Excel workbook"),
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
        ([], "must list 1 to"),
        ({"training": []}, "must list 1 to"),
        ("text", "must be a list of objects"),
        ({"cases": []}, "must be a list of objects"),
        ({"training": {"case_id": "a"}, "test": 5}, "5 as 'test', dict as 'training'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_json_that_is_no_list_of_cases_is_refused(tmp_path, content, words):
    assert words in refusal(write_json(tmp_path / "list.json", content))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (["a"], "the entry must be an object; got list"),
        (None, "the entry must be an object; got None"),
        ({"case_id": "a", "t1c": 5}, "t1c must be the path of a file; got 5"),
        (
            {"case_id": "a", "image": ["cases/c0/c0-t1c.nii.gz"], "t2f": "b"},
            "images must be named once",
        ),
        ({"case_id": ["a"], "t1c": "cases/c0/c0-t1c.nii.gz"}, "['a']"),
        ({"case_id": True, "t1c": "cases/c0/c0-t1c.nii.gz"}, "got True"),
        (
            {"case_id": "a", "t1c": "cases/c0/c0-t1c.nii.gz", "label": ["x"]},
            "label must be the path of a file",
        ),
        ({"case_id": "a", "t1c": "cases/c0/c0-t1c.nii.gz", "patient": {}}, "patient must be text"),
        ({"case_id": "a", "image": ["cases/c0/c0-t1c.nii.gz", "cases/c1/c1-t2f.nii.gz"]}, "c0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_that_describes_no_case_fails_alone(folder, rows, tmp_path, entry, words):
    bad, good = list_cases(write_json(tmp_path / "list.json", [entry, rows[1]]))
    assert words in str(bad["problem"])
    assert "problem" not in good


MONAI_NAMES = {"flair": "t2f", "t1ce": "t1c", "t1": "t1n", "t2": "t2w"}


@pytest.fixture
def monai_entries(tmp_path):
    """Two cases as MONAI's BraTS tutorial lists them: four files each, a label and a fold, no name
    of the case.
    """
    entries = []
    for number in range(2):
        name = f"BraTS2021_0000{number}"
        write_case(tmp_path / "cases" / f"c{number}", seed=number, label=stripes(0, 1, 2, 4))
        folder = tmp_path / "cases" / f"c{number}"
        for old, new in {**{m: n for n, m in MONAI_NAMES.items()}, "seg": "seg"}.items():
            (folder / f"c{number}-{old}.nii.gz").rename(folder / f"{name}_{new}.nii.gz")
        images = [f"cases/c{number}/{name}_{new}.nii.gz" for new in MONAI_NAMES]
        entries.append(
            {"fold": number, "image": images, "label": f"cases/c{number}/{name}_seg.nii.gz"}
        )
    return entries


def test_monais_lists_of_images_are_cases_named_by_their_files_and_keep_their_fold(
    monai_entries, tmp_path, caplog
):
    cases = list_cases(
        write_json(tmp_path / "folds.json", {"training": monai_entries, "testing": []})
    )
    assert [(case["case_id"], case["fold"], case["part"]) for case in cases] == [
        ("BraTS2021_00000", 0, "training"),
        ("BraTS2021_00001", 1, "training"),
    ]
    drawn = LoadCased(with_label=True)(cases[0])
    assert drawn["presence"].all()
    assert drawn["label"].any()
    assert "fold" not in drawn
    assert not caplog.records


def test_a_part_of_texts_names_images(monai_entries, tmp_path):
    write_case(tmp_path / "more" / "t0")
    content = {"training": monai_entries, "testing": ["more/t0/t0-t1c.nii.gz"]}
    *_, case = list_cases(write_json(tmp_path / "folds.json", content))
    assert case == {
        "case_id": "t0",
        "image": {"t1c": tmp_path / "more/t0/t0-t1c.nii.gz"},
        "part": "test",
    }


@pytest.mark.parametrize("key", ["case_id", "id", "name"])
def test_the_name_of_an_object_may_stand_under_the_words_in_use(monai_entries, tmp_path, key):
    objects = [{key: number, **entry} for number, entry in enumerate(monai_entries)]
    assert [case["case_id"] for case in list_cases(write_json(tmp_path / "l.json", objects))] == [
        "0",
        "1",
    ]


@BOTH
@pytest.mark.parametrize("declared", ["t2f,t1n,t1c,t2w", None])
def test_one_file_of_several_volumes_is_known_by_what_the_list_declares(
    phantom_folder, tmp_path, name, declared
):
    write_msd(tmp_path / "msd", phantom_folder)
    row = {"case_id": "a", "image": "msd/imagesTr/BRATS_000.nii.gz"}
    (item,) = list_cases(
        write(tmp_path / name, [row | ({"modalities": declared} if declared else {})])
    )
    if declared:
        assert LoadCased()(item)["presence"].all()
    else:
        with pytest.raises(CaseError, match="modalities="):
            case_files(item)


def test_a_link_whose_own_name_says_the_modality_is_read_as_it_says(rows, tmp_path):
    store = tmp_path / "objects" / "MD5E-s1--0.nii.gz"
    store.parent.mkdir()
    (tmp_path / rows[0]["t1c"]).rename(store)
    (tmp_path / "p-t1c.nii.gz").symlink_to(store)
    (tmp_path / "q-t2f.nii.gz").symlink_to("gone")
    first, second = list_cases(
        write_json(tmp_path / "l.json", [{"image": ["p-t1c.nii.gz"]}, {"image": ["q-t2f.nii.gz"]}])
    )
    assert (first["case_id"], list(first["image"])) == ("p", ["t1c"])
    assert "git-annex" in str(second["problem"])


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "list.json").write_text(
        '[{"case_id": "a", "t1c": "x", "t1c": "y"}]', encoding="utf-8"
    )
    assert "the key 't1c' twice" in refusal(tmp_path / "list.json")


def test_text_that_a_config_parser_would_evaluate_stays_text(rows, tmp_path):
    path = write_json(
        tmp_path / "list.json", [{**rows[0], "case_id": "$print(1)", "patient": "@x"}]
    )
    assert isinstance(list_cases(path), tuple)
    assert (
        json.loads(path.read_text(encoding="utf-8"))[0]["case_id"] == list_cases(path)[0]["case_id"]
    )


def test_a_list_may_be_a_link_and_its_paths_start_beside_the_link_or_beside_the_list(
    rows, tmp_path
):
    kept = write_table(
        tmp_path / "list.csv", [{"case_id": "a", "t1c": rows[0]["t1c"], "t2f": "own-t2f.nii.gz"}]
    )
    own = tmp_path / "mine" / "own-t2f.nii.gz"
    own.parent.mkdir()
    own.write_bytes(b"")
    (tmp_path / "mine" / "link.csv").symlink_to(kept)
    (item,) = read_datalist(tmp_path / "mine" / "link.csv", DEFAULT_TASK)
    assert item == {"case_id": "a", "image": {"t1c": tmp_path / rows[0]["t1c"], "t2f": own}}
    assert "problem" in read_datalist(kept, DEFAULT_TASK)[0]


@BOTH
def test_paths_that_windows_wrote_find_their_files(rows, tmp_path, name):
    (item,) = list_cases(
        write(tmp_path / name, [{"case_id": "a", "t1c": rows[0]["t1c"].replace("/", "\\")}])
    )
    assert item["image"] == {"t1c": tmp_path / rows[0]["t1c"]}
