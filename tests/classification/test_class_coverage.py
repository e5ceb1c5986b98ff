import pickle
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from bundle.classification.class_cases import ClassCases, InMemory
from bundle.classification.class_coverage import keep_share
from bundle.errors import UsageError
from tests.classification.small_cases import small_cases

CASES = small_cases(60)  # 20 of each class
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def kept(cases: ClassCases, name: str) -> set[str]:
    column = cases.modalities.index(name)
    return {
        case
        for case, flag in zip(cases.case_ids, cases.presence[:, column].tolist(), strict=True)
        if flag
    }


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", ["image", "audio"])
def test_a_share_of_the_cases_keeps_a_modality_and_all_keep_the_other(name, share):
    cases = keep_share(CASES, {name: share}, seed=0)
    assert len(kept(cases, name)) == round(60 * share)
    assert cases.presence.sum() == 60 + round(60 * share)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", range(5))
def test_classes_differ_by_one_case_at_most(share, seed):
    cases = keep_share(CASES, {"audio": share}, seed)
    counts = torch.bincount(cases.labels[cases.presence[:, 1]], minlength=3)
    assert counts.max() - counts.min() <= 1


def test_cases_of_a_smaller_share_are_among_those_of_a_larger_one():
    sets = [kept(keep_share(CASES, {"audio": share}, 0), "audio") for share in SHARES]
    assert all(small < large for small, large in pairwise(sets))


def test_a_seed_draws_the_same_cases_whatever_their_order_and_another_one_others():
    order = list(range(59, -1, -1))
    turned = replace(
        CASES,
        case_ids=tuple(CASES.case_ids[i] for i in order),
        labels=CASES.labels[order],
        presence=CASES.presence[order],
        read=InMemory(CASES.read(order)),
    )
    first = kept(keep_share(CASES, {"audio": 0.3}, 0), "audio")
    assert kept(keep_share(turned, {"audio": 0.3}, 0), "audio") == first
    assert kept(keep_share(CASES, {"audio": 0.3}, 1), "audio") != first


def test_what_is_hidden_is_read_as_0_even_where_it_was_nan_and_the_rest_as_it_is():
    broken = {name: values.clone() for name, values in CASES.read(range(60)).items()}
    cases = keep_share(CASES, {"audio": 0.1}, 0)
    hidden = ~cases.presence[:, 1]
    broken["audio"][hidden] = torch.nan
    cases = keep_share(replace(CASES, read=InMemory(broken)), {"audio": 0.1}, 0)
    inputs = cases.read([*range(59, -1, -1)])
    turned = hidden.flip(0)
    assert not inputs["audio"][turned].any()
    torch.testing.assert_close(
        inputs["audio"][~turned], CASES.read(range(60))["audio"].flip(0)[~turned]
    )
    torch.testing.assert_close(inputs["image"], CASES.read(range(60))["image"].flip(0))


def test_the_cases_given_stay_as_they_are():
    before = CASES.read(range(60))["audio"].clone()
    keep_share(CASES, {"audio": 0.1}, 0).read(range(60))
    assert CASES.presence.all()
    torch.testing.assert_close(CASES.read(range(60))["audio"], before)


def test_cases_can_be_sent_to_other_processes():
    cases = keep_share(CASES, {"audio": 0.1}, 0)
    sent = pickle.loads(pickle.dumps(cases))
    torch.testing.assert_close(sent.read([0, 7])["audio"], cases.read([0, 7])["audio"])


def test_no_case_is_left_with_nothing():
    cases = keep_share(CASES, {"image": 0.1, "audio": 0.1}, 0)
    assert cases.presence.any(dim=1).all()
    assert len(kept(cases, "image")) == 6
    partial = small_cases(12, without=((0, "image"), (1, "image"), (2, "image")))
    cases = keep_share(partial, {"audio": 0.1}, 0)
    assert kept(cases, "audio") == {"case-0", "case-1", "case-2"}


def test_without_shares_the_cases_stay_the_same():
    assert keep_share(CASES, {}, 0) is CASES


@pytest.mark.parametrize(
    "coverage",
    [
        {"smell": 0.5},
        {"audio": 1.5},
        {"audio": -0.1},
        {"audio": float("nan")},
        {"audio": 0.0},
        {"audio": 0.001},
    ],
    ids=str,
)
def test_an_unknown_modality_a_share_that_is_none_or_no_case_left_is_refused(coverage):
    with pytest.raises(UsageError) as caught:
        keep_share(CASES, coverage, 0)
    assert caught.value.code == "E_COVERAGE"


def test_a_modality_that_all_cases_lack_is_refused_even_if_nothing_is_hidden():
    silent = small_cases(4, without=tuple((i, "audio") for i in range(4)))
    with pytest.raises(UsageError, match="audio must be left to some training case; got none of 4"):
        keep_share(silent, {}, 0)


def test_a_share_of_none_is_refused_also_where_cases_have_nothing_else():
    alone = tuple((position, "image") for position in range(6))
    with pytest.raises(UsageError, match="audio"):
        keep_share(small_cases(60, without=alone), {"audio": 0}, seed=0)
