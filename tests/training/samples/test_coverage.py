import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.cases.case_loader import LoadCased
from bundle.datasets.listing import list_cases
from bundle.errors import UsageError
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.samples.coverage import hide_modalities, trainable_cases
from tests.tasks.small_task import SMALL_TASK

MODALITIES = DEFAULT_TASK.modality_names

SETS = st.lists(st.sets(st.sampled_from(MODALITIES), min_size=1), min_size=1, max_size=30)
COVERAGE = st.dictionaries(st.sampled_from(MODALITIES), st.floats(0, 1), max_size=4)


def cases_with(sets) -> tuple[dict, ...]:
    return tuple(
        {"case_id": f"c{n}", "image": {m: f"{n}-{m}" for m in sorted(own)}}
        for n, own in enumerate(sets)
    )


def complete(count) -> tuple[dict, ...]:
    return cases_with([MODALITIES] * count)


def keeping(cases, modality) -> set[str]:
    return {case["case_id"] for case in cases if modality in case["image"]}


@pytest.mark.parametrize(
    ("share", "count"),
    [(0.0, 1), (0.01, 1), (0.05, 2), (0.1, 4), (0.3, 12), (0.5, 20), (0.99, 40), (1.0, 40)],
)
def test_exactly_the_rounded_share_keeps_the_modality_and_at_least_one_case(share, count):
    cases = hide_modalities(complete(40), {"t1c": share}, seed=0)
    assert len(keeping(cases, "t1c")) == count
    assert all(len(keeping(cases, modality)) == 40 for modality in MODALITIES if modality != "t1c")


@settings(deadline=None)
@given(
    sets=SETS,
    small=st.floats(0, 1),
    large=st.floats(0, 1),
    others=COVERAGE,
    seed=st.integers(0, 99),
)
def test_the_cases_that_keep_a_modality_at_a_small_share_are_among_those_at_a_larger_one(
    sets, small, large, others, seed
):
    small, large = sorted((small, large))
    kept = [
        keeping(hide_modalities(cases_with(sets), {**others, "t2f": s}, seed), "t2f")
        for s in (small, large)
    ]
    assert kept[0] <= kept[1]


@settings(deadline=None)
@given(sets=SETS, coverage=COVERAGE, seed=st.integers(0, 99))
def test_no_case_is_left_without_a_modality_and_none_gets_one_it_had_not(sets, coverage, seed):
    cases = cases_with(sets)
    hidden = hide_modalities(cases, coverage, seed)
    assert [case["case_id"] for case in hidden] == [case["case_id"] for case in cases]
    for before, after in zip(cases, hidden, strict=True):
        assert after["image"]
        assert after["image"].items() <= before["image"].items()
        assert set(before["image"]) - set(after["image"]) <= set(coverage)


def test_a_case_with_nothing_else_keeps_the_modality_and_counts_among_those_that_do():
    cases = (*complete(9), *cases_with([{"t1c"}])[:1])
    cases = tuple({**case, "case_id": f"k{n}"} for n, case in enumerate(cases))
    for seed in range(20):
        kept = keeping(hide_modalities(cases, {"t1c": 0.3}, seed), "t1c")
        assert len(kept) == 3
        assert "k9" in kept


def test_more_cases_than_the_share_keep_it_if_they_have_nothing_else_and_the_log_says_how_many(
    caplog,
):
    with caplog.at_level(logging.WARNING, "simmlm"):
        kept = keeping(
            hide_modalities(cases_with([{"t1c"}] * 5 + [MODALITIES] * 5), {"t1c": 0.2}, 0), "t1c"
        )
    assert kept == {f"c{n}" for n in range(5)}
    assert "5 instead of 2 of 10 cases keep t1c" in caplog.text


def test_the_draw_depends_on_the_seed_and_the_modality_and_not_on_the_order_of_the_cases():
    cases = complete(40)
    one, two = (
        keeping(hide_modalities(order, {"t1c": 0.3}, 1), "t1c") for order in (cases, cases[::-1])
    )
    assert one == two
    assert one != keeping(hide_modalities(cases, {"t1c": 0.3}, 2), "t1c")
    both = hide_modalities(cases, {"t1c": 0.3, "t2f": 0.3}, 1)
    assert keeping(both, "t1c") == one != keeping(both, "t2f")


def test_names_in_common_use_are_understood():
    assert hide_modalities(complete(9), {"T1ce": 0.5}, 0) == hide_modalities(
        complete(9), {"t1c": 0.5}, 0
    )


@pytest.mark.parametrize(
    "coverage",
    [
        {"ct": 0.5},
        {"t1c": 1.1},
        {"t1c": -0.1},
        {"t1c": float("nan")},
        {"t1c": "half"},
        {"t1c": True},
        {"t1c": 0.5, "t1ce": 0.5},
    ],
    ids=str,
)
def test_an_unknown_modality_or_a_share_that_is_none_is_refused(coverage):
    with pytest.raises(UsageError) as caught:
        hide_modalities(complete(3), coverage, 0)
    assert caught.value.code == "E_COVERAGE"


def test_what_was_given_is_not_changed():
    cases = complete(4)
    hide_modalities(cases, {"t1c": 0.1}, 0)
    assert cases == complete(4)


def test_cases_in_folders_lose_the_file_and_keep_their_label(phantom_folder):
    cases = hide_modalities(list_cases(phantom_folder), {"t1c": 0.5}, 0)
    loaded = [LoadCased(with_label=True)(case) for case in cases]
    assert sorted(case["presence"].tolist()[1] for case in loaded) == [False, True]
    assert all(case["label"].any() for case in loaded)


def test_cases_that_can_train_every_expert_are_given_back():
    cases = cases_with([{"t1c"}, {"t2f", "t1c"}])
    assert trainable_cases(cases, ["t1c", "t2f"]) is cases
    assert trainable_cases((), ["t1c"]) == ()


def test_experts_without_a_case_are_refused_with_those_that_can_be_trained():
    with pytest.raises(
        UsageError, match=r"none with t1n, t2w among 2\..*--experts t1c,t2f .*--start-from"
    ) as caught:
        trainable_cases(cases_with([{"t1c"}, {"t2f"}]), MODALITIES)
    assert caught.value.code == "E_EXPERTS"


def test_experts_that_were_trained_before_need_no_case_and_the_log_names_them(caplog):
    cases = cases_with([{"t1c"}])
    assert trainable_cases(cases, MODALITIES, start_from="model.pt") is cases
    assert (
        "No training case has t1n, t2w, t2f: the experts stay as they are in model.pt"
        in caplog.text
    )


def test_the_modalities_are_those_of_the_task():
    cases = cases_with([{"t1n", "t2f"}] * 4)
    hidden = hide_modalities(cases, {"FLAIR": 0.25}, 0, task=SMALL_TASK)
    assert len(keeping(hidden, "t2f")) == 1
    assert len(keeping(hidden, "t1n")) == 4
    with pytest.raises(UsageError, match="coverage: modality must be one of flair, t1n, t2f; got"):
        hide_modalities(cases, {"t1c": 0.25}, 0, task=SMALL_TASK)
    with pytest.raises(UsageError, match="--experts t2f,t1n "):
        trainable_cases(cases, [*SMALL_TASK.modality_names, "t1c"], task=SMALL_TASK)
