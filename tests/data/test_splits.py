import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bundle.data.splits import patient_of, split_cases
from bundle.errors import UsageError

VISITS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2)


def cases_of(visits) -> tuple[dict, ...]:
    return tuple({"case_id": f"BraTS-GLI-{patient:05d}-{visit:03d}"} for patient, visit in visits)


def names(cases) -> list[str]:
    return [case["case_id"] for case in cases]


def patients(cases) -> set[str]:
    return {patient_of(case["case_id"]) for case in cases}


@pytest.mark.parametrize(
    ("case_id", "patient"),
    [
        ("BraTS-GLI-00012-000", "BraTS-GLI-00012"),
        ("BraTS-GLI-00012-101", "BraTS-GLI-00012"),
        ("BraTS2021_00012", "BraTS2021_00012"),
        ("BraTS-GLI-00012", "BraTS-GLI-00012"),
        ("site-7-1234", "site-7-1234"),
        ("site-001", "site-001"),
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
    cases = cases_of([(patient, visit) for patient in range(10) for visit in range(1 + 3 * (patient % 2))])
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


@pytest.mark.parametrize("visits", [[], [(1, 0)], [(1, 0), (1, 1), (1, 2)]], ids=["none", "one case", "one patient"])
def test_fewer_than_two_patients_are_refused(visits):
    with pytest.raises(UsageError, match="at least two patients"):
        split_cases(cases_of(visits), 0.2, seed=0)
