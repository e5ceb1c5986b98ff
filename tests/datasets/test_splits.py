import json
import logging

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bundle.datasets.split_file import Split, assign_parts, read_split, write_split
from bundle.datasets.splits import chosen_cases, divide, draw_folds, draw_split, split_cases
from bundle.errors import OutputError, UsageError
from bundle.names.case_ids import case_patient, patient_of

VISITS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2)


def cases_of(visits) -> tuple[dict, ...]:
    return tuple({"case_id": f"BraTS-GLI-{patient:05d}-{visit:03d}"} for patient, visit in visits)


def names(cases) -> list[str]:
    return [case["case_id"] for case in cases]


def patients(cases) -> set[str]:
    return {case_patient(case) for case in cases}


@pytest.mark.parametrize(
    ("case_id", "patient"),
    [
        ("BraTS-GLI-00012-000", "BraTS-GLI-00012"),
        ("BraTS-GLI-00012-101", "BraTS-GLI-00012"),
        ("BraTS2021_00012", "BraTS2021_00012"),
        ("BraTS-GLI-00012", "BraTS-GLI-00012"),
        ("site-7-1234", "site-7-1234"),
        ("site-001", "site-001"),
        ("UPENN-GBM-00001_11", "UPENN-GBM-00001"),
        ("UPENN-GBM-00001_21", "UPENN-GBM-00001"),
        ("TCGA-02-0001", "TCGA-02-0001"),
        ("TCGA-02-0001_1999.02.02", "TCGA-02-0001"),
        ("sub-01_ses-2", "sub-01"),
        ("sub-01", "sub-01"),
        ("UCSF-PDGM-0004", "UCSF-PDGM-0004"),
        ("UCSF-PDGM-0409_FU001d", "UCSF-PDGM-0409"),
        ("UCSD-PTGBM-0002_02", "UCSD-PTGBM-0002"),
        ("PatientID_0003_Timepoint_5", "PatientID_0003"),
        ("Patient-001_week-000-2", "Patient-001"),
        ("RHUH-0001_2", "RHUH-0001"),
        ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
        ("W39_1998.09.19_x", "W39"),
        ("Patient_001_visit2", "Patient_001"),
        ("P7_baseline", "P7"),
        ("P7_follow-up_3", "P7"),
        ("P_12", "P_12"),
        ("BRATS_001", "BRATS_001"),
        ("case_2019-01-05", "case_2019-01-05"),
        ("revisit2", "revisit2"),
    ],
)
def test_a_visit_is_the_last_group_of_three_digits(case_id, patient):
    assert patient_of(case_id) == patient


@settings(deadline=None)
@given(visits=VISITS, share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_the_sides_share_no_patient_are_not_empty_and_hold_every_case_once(visits, share, seed):
    cases = cases_of(visits)
    assume(len(patients(cases)) > 1)
    training, validation = split_cases(cases, share, seed)
    assert training
    assert validation
    assert not patients(training) & patients(validation)
    assert sorted(names(training + validation)) == sorted(names(cases))


def test_the_share_is_of_patients_and_not_of_visits():
    cases = cases_of(
        [(patient, visit) for patient in range(10) for visit in range(1 + 3 * (patient % 2))]
    )
    _, validation = split_cases(cases, 0.3, seed=0)
    assert len(patients(validation)) == 3


def test_a_side_keeps_the_order_of_the_cases():
    cases = cases_of([(patient, 0) for patient in (5, 3, 9, 1, 7, 2)])
    for side in split_cases(cases, 0.5, seed=0):
        assert names(side) == [name for name in names(cases) if name in names(side)]


def test_the_same_seed_divides_the_same_way_whatever_the_order_of_the_cases():
    cases = cases_of([(patient, 0) for patient in range(20)])
    forward, backward = (split_cases(order, 0.3, seed=4)[1] for order in (cases, cases[::-1]))
    assert set(names(forward)) == set(names(backward))


def test_another_seed_divides_another_way():
    cases = cases_of([(patient, 0) for patient in range(20)])
    assert split_cases(cases, 0.3, seed=4) != split_cases(cases, 0.3, seed=5)


@pytest.mark.parametrize(
    "visits", [[], [(1, 0)], [(1, 0), (1, 1), (1, 2)]], ids=["none", "one case", "one patient"]
)
def test_fewer_than_two_patients_are_refused(visits):
    with pytest.raises(UsageError, match="at least two patients"):
        split_cases(cases_of(visits), 0.2, seed=0)


SHARES = st.floats(0.01, 0.35)
MANY_VISITS = st.dictionaries(st.integers(0, 30), st.integers(1, 3), min_size=8, max_size=12).map(
    lambda counts: [(patient, visit) for patient, count in counts.items() for visit in range(count)]
)


def members(split: Split) -> list[str]:
    return [case_id for ids in split.parts.values() for case_id in ids]


def by_part(split: Split) -> list[set[str]]:
    return [{patient_of(case_id) for case_id in ids} for ids in split.parts.values()]


def share_no_patient(split: Split) -> bool:
    return sum(map(len, by_part(split))) == len(set().union(*by_part(split)))


@settings(deadline=None, max_examples=40)
@given(visits=MANY_VISITS, validation=SHARES, test=SHARES, seed=st.integers(0, 1000))
def test_a_drawn_split_holds_every_case_once_and_no_patient_twice(visits, validation, test, seed):
    cases = cases_of(visits)
    split = draw_split(cases, validation_share=validation, test_share=test, seed=seed)
    assert sorted(members(split)) == sorted(names(cases))
    assert share_no_patient(split)
    assert set(split.parts) == {"training", "validation", "test"}
    assert all(split.parts.values())


@settings(deadline=None, max_examples=40)
@given(
    visits=MANY_VISITS,
    n_folds=st.integers(2, 5),
    test=st.sampled_from([0, 0.2]),
    seed=st.integers(0, 1000),
)
def test_folds_partition_the_cases_by_patient_and_differ_by_one_patient_at_most(
    visits, n_folds, test, seed
):
    cases = cases_of(visits)
    split = draw_folds(cases, n_folds=n_folds, test_share=test, seed=seed)
    assert split.n_folds == n_folds
    assert ("test" in split.parts) == (test > 0)
    assert sorted(members(split)) == sorted(names(cases))
    assert share_no_patient(split)
    sizes = [
        len(own) for own, part in zip(by_part(split), split.parts, strict=True) if part != "test"
    ]
    assert max(sizes) - min(sizes) <= 1


def test_every_case_but_those_to_test_validates_in_one_fold_and_trains_in_the_others(tmp_path):
    cases = cases_of([(patient, visit) for patient in range(11) for visit in range(2)])
    split = draw_folds(cases, n_folds=3, seed=1)
    write_split(tmp_path / "folds.json", split)
    divided = [divide(cases, tmp_path / "folds.json", fold=fold) for fold in range(3)]
    validated = [name for _, validation in divided for name in names(validation)]
    assert sorted(validated) == sorted(set(names(cases)) - set(split.parts["test"]))
    for training, validation in divided:
        assert sorted(names(training + validation)) == sorted(validated)
        assert not patients(training) & patients(validation)


def test_a_split_comes_back_from_its_file_and_divides_as_it_says(tmp_path):
    cases = cases_of([(patient, 0) for patient in range(10)])
    split = draw_split(cases, validation_share=0.3, test_share=0.2, seed=5)
    write_split(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json") == split
    training, validation = divide(cases, str(tmp_path / "split.json"))
    assert (names(training), names(validation)) == tuple(
        list(split.parts[part]) for part in ("training", "validation")
    )
    assert [len(ids) for ids in split.parts.values()] == [5, 3, 2]


def test_a_split_file_can_be_read_by_people(tmp_path):
    write_split(tmp_path / "split.json", draw_split(cases_of([(p, 0) for p in range(5)]), seed=3))
    content = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert content["seed"] == 3
    assert content["shares"] == {"validation": 0.1, "test": 0.2}
    assert sorted(map(len, content["parts"].values())) == [1, 1, 3]


def test_the_order_of_the_cases_does_not_matter_and_the_seed_does():
    cases = cases_of([(patient, 0) for patient in range(20)])
    assert draw_split(cases, seed=4) == draw_split(cases[::-1], seed=4)
    assert draw_split(cases, seed=4).parts != draw_split(cases, seed=5).parts
    assert draw_folds(cases, n_folds=4, seed=4) == draw_folds(cases[::-1], n_folds=4, seed=4)


def test_without_a_file_cases_are_divided_as_drawn():
    cases = cases_of([(patient, 0) for patient in range(20)])
    assert divide(cases, None, 0, 0.3, 7) == split_cases(cases, 0.3, 7)


def test_the_patients_that_a_list_names_stay_together():
    cases = tuple({"case_id": f"scan{n}", "patient": f"p{n // 2}"} for n in range(12))
    training, validation = divide(cases, validation_share=0.3)
    assert not patients(training) & patients(validation)
    assert len(validation) == 4
    assert share_no_patient_of(draw_split(cases, seed=1), cases)


def share_no_patient_of(split, cases) -> bool:
    owner = {case["case_id"]: case["patient"] for case in cases}
    owners = [{owner[case_id] for case_id in ids} for ids in split.parts.values()]
    return sum(map(len, owners)) == len(set().union(*owners))


def test_the_same_split_may_be_written_again_and_another_one_may_not(tmp_path):
    cases = cases_of([(patient, 0) for patient in range(9)])
    path = tmp_path / "split.json"
    write_split(path, draw_split(cases, seed=1))
    before = path.read_bytes()
    write_split(path, draw_split(cases, seed=1))
    with pytest.raises(UsageError, match="must not be replaced") as caught:
        write_split(path, draw_split(cases, seed=2))
    assert caught.value.code == "E_OUTPUT"
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["split.json"]


def test_a_split_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OutputError):
        write_split(
            tmp_path / "nowhere" / "split.json", draw_split(cases_of([(p, 0) for p in range(9)]))
        )
    assert list(tmp_path.iterdir()) == []


PARTS = {"training": ["a", "b"], "validation": ["c"], "test": ["d"]}
CASES = tuple({"case_id": name} for name in "abcd")


def refusal(tmp_path, cases=CASES, fold=0, **content) -> str:
    path = tmp_path / "split.json"
    path.write_text(
        json.dumps({"seed": 0, "shares": {}, "parts": PARTS, **content}), encoding="utf-8"
    )
    with pytest.raises(UsageError) as caught:
        divide(cases, path, fold)
    assert "split.json" in str(caught.value)
    return str(caught.value)


BAD_PARTS = {
    "case in two parts": ({**PARTS, "test": ["a"]}, "a in training and test"),
    "case twice in a part": ({**PARTS, "test": ["d", "d"]}, "d in test and test"),
    "no validation": ({"training": ["a"]}, "must have training and validation"),
    "empty validation": ({**PARTS, "validation": []}, "none in validation"),
    "unknown part": ({**PARTS, "valid": ["e"]}, "'valid'"),
    "folds and training": ({**PARTS, "fold-0": ["e"]}, "fold-0"),
    "one fold": ({"fold-0": ["a"]}, "fold-0"),
    "a fold left out": ({"fold-0": ["a"], "fold-2": ["b"]}, "fold-0"),
    "an empty fold": ({"fold-0": ["a"], "fold-1": []}, "none in fold-1"),
    "no lists": ({**PARTS, "test": "d"}, "list of case ids"),
    "numbers": ({**PARTS, "test": [1]}, "list of case ids"),
    "a list": ([], "list of case ids"),
}


@pytest.mark.parametrize("defect", BAD_PARTS)
def test_a_file_that_is_no_split_is_refused_with_what_is_wrong(tmp_path, defect):
    parts, words = BAD_PARTS[defect]
    assert words in refusal(tmp_path, parts=parts)


def test_a_seed_that_is_no_number_is_refused(tmp_path):
    assert "'x'" in refusal(tmp_path, seed="x")


def test_cases_that_the_data_lack_are_refused_by_name(tmp_path):
    assert "a, d that the data lack" in refusal(tmp_path, cases=CASES[1:3])


def test_a_patient_in_two_parts_is_refused_also_if_only_a_list_knows_it(tmp_path):
    cases = tuple({"case_id": name, "patient": "p1" if name in "ad" else name} for name in "abcd")
    assert "p1 in training and test" in refusal(tmp_path, cases=cases)
    visits = {"training": ["x-00001-000"], "validation": ["x-00001-001"]}
    cases = tuple({"case_id": name} for (name,) in visits.values())
    assert "x-00001 in training and validation" in refusal(tmp_path, cases=cases, parts=visits)


def test_cases_that_the_split_does_not_name_are_left_out_with_a_warning(caplog):
    split = Split(0, {}, {"training": ("a",), "validation": ("b",)})
    with caplog.at_level(logging.WARNING, "simmlm"):
        parts = assign_parts(CASES, split, "split.json")
    assert [names(cases) for cases in parts.values()] == [["a"], ["b"]]
    assert "c, d" in caplog.text


def test_a_fold_that_does_not_exist_is_refused(tmp_path):
    assert "0 folds" in refusal(tmp_path, fold=1)
    folds = {"fold-0": ["a", "b"], "fold-1": ["c", "d"]}
    assert "2 folds" in refusal(tmp_path, fold=2, parts=folds)
    assert "got -1" in refusal(tmp_path, fold=-1, parts=folds)
    with pytest.raises(UsageError, match="without a split file"):
        divide(CASES, fold=1)


def test_the_parts_of_a_list_are_kept_and_its_test_cases_never_train_or_validate():
    parts = ("training", "training", "validation", "test")
    cases = tuple({"case_id": name, "part": part} for name, part in zip("abcd", parts, strict=True))
    training, validation = divide(cases)
    assert (names(training), names(validation)) == (["a", "b"], ["c"])
    drawn = divide([case for case in cases if case["part"] != "validation"], validation_share=0.5)
    assert sorted(names(drawn[0] + drawn[1])) == ["a", "b"]


def test_a_list_with_a_patient_in_two_parts_is_refused():
    cases = [
        {"case_id": c, "part": p, "patient": "p1"}
        for c, p in (("a", "training"), ("b", "validation"))
    ]
    with pytest.raises(UsageError, match="p1 in training and validation"):
        divide(cases)


def test_a_list_with_parts_of_its_own_cannot_be_drawn_again():
    cases = [{"case_id": str(n), "part": "training" if n else "test"} for n in range(9)]
    with pytest.raises(UsageError, match="also test"):
        draw_split(cases)
    assert draw_split(cases[1:]).parts["training"]


@pytest.mark.parametrize(
    "shares",
    [(0.0, 0.2), (-0.1, 0.2), (1.0, 0.0), (0.1, 1.0), (0.5, 0.5), (float("nan"), 0.1)],
    ids=str,
)
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(UsageError) as caught:
        draw_split(
            cases_of([(p, 0) for p in range(10)]), validation_share=shares[0], test_share=shares[1]
        )
    assert caught.value.code == "E_SPLIT"


@pytest.mark.parametrize("n_folds", [-1, 0, 1, 9])
def test_folds_that_cannot_be_are_refused(n_folds):
    with pytest.raises(UsageError, match=f"got {n_folds} folds"):
        draw_folds(cases_of([(p, 0) for p in range(10)]), n_folds=n_folds)


def test_without_a_split_all_cases_are_chosen_and_with_one_its_part(tmp_path):
    cases = cases_of([(patient, 0) for patient in range(6)])
    write_split(
        tmp_path / "split.json", draw_split(cases, validation_share=0.3, test_share=0.3, seed=0)
    )
    assert chosen_cases(cases) == cases
    parts = [
        chosen_cases(cases, tmp_path / "split.json", part)
        for part in ("training", "validation", "test")
    ]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert sorted(names(sum(parts, ()))) == sorted(names(cases))
    assert chosen_cases(cases, tmp_path / "split.json") == parts[2]


@pytest.mark.parametrize("part", ["tests", "fold-0"])
def test_a_part_that_a_split_does_not_have_is_refused_with_those_it_has(tmp_path, part):
    cases = cases_of([(patient, 0) for patient in range(6)])
    write_split(
        tmp_path / "split.json", draw_split(cases, validation_share=0.3, test_share=0.3, seed=0)
    )
    with pytest.raises(UsageError, match=f"training, validation, test.*{part}"):
        chosen_cases(cases, tmp_path / "split.json", part)


def with_folds(*folds) -> list[dict]:
    return [{"case_id": f"p{number}", "fold": fold} for number, fold in enumerate(folds)]


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_folds_of_a_list_divide_it_where_all_training_cases_have_one(fold):
    cases = [*with_folds(0, 1, 2, 1), {"case_id": "t", "part": "test"}]
    training, validation = divide(cases, fold=fold)
    assert {case["fold"] for case in validation} == {fold}
    assert sorted(names(training + validation)) == ["p0", "p1", "p2", "p3"]


VISITS_IN_TWO_FOLDS = [
    {"case_id": "BraTS-GLI-00001-000", "fold": 0},
    {"case_id": "BraTS-GLI-00001-001", "fold": 1},
]


@pytest.mark.parametrize(
    ("cases", "fold", "words"),
    [
        (with_folds(0, 1), 2, "fold-0, fold-1; got 2"),
        (with_folds(0, 0), 0, "at least two"),
        ([*with_folds(0, 1), {"case_id": "x"}], 1, "without a split file"),
        (VISITS_IN_TWO_FOLDS, 0, "in one part"),
    ],
    ids=["no such fold", "one fold", "a case without", "visits of a patient"],
)
def test_folds_of_a_list_that_cannot_divide_it_are_refused(cases, fold, words):
    with pytest.raises(UsageError, match=words) as caught:
        divide(cases, fold=fold)
    assert caught.value.code == "E_SPLIT"


def test_a_part_or_a_fold_of_a_list_is_chosen_without_a_split_and_else_all():
    cases = [
        {"case_id": "a", "part": "training", "fold": 1},
        {"case_id": "b", "part": "validation"},
        {"case_id": "c"},
    ]
    assert names(chosen_cases(cases)) == ["a", "b", "c"]
    assert names(chosen_cases(cases, part="validation")) == ["b"]
    assert names(chosen_cases(cases, part="fold-1")) == ["a"]
    with pytest.raises(UsageError, match="training, validation, fold-1 in the list"):
        chosen_cases(cases, part="test")
    with pytest.raises(UsageError, match="none, as it has no parts"):
        chosen_cases(cases[2:], part="test")


def test_of_a_split_the_part_to_test_is_chosen_if_none_is_named(tmp_path):
    cases = cases_of((patient, 0) for patient in range(6))
    split = draw_split(cases)
    write_split(tmp_path / "split.json", split)
    assert names(chosen_cases(cases, tmp_path / "split.json")) == list(split.parts["test"])
