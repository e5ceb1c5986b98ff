import pickle
from dataclasses import replace

import pytest
import torch

from bundle.classification.class_coverage import keep_share
from bundle.errors import UsageError
from tests.classification.small_cases import small_cases


def keeping(cases, share: float, seed: int = 0) -> set[str]:
    kept = keep_share(cases, {"audio": share}, seed).presence[:, 1]
    return {cases.case_ids[position] for position in kept.nonzero().flatten().tolist()}


@pytest.mark.parametrize(("share", "n"), [(0.1, 6), (0.25, 15), (0.5, 30), (1, 60)])
def test_a_share_of_the_cases_keeps_the_modality_spread_over_the_classes(share, n):
    cases = small_cases(60)
    kept = keep_share(cases, {"audio": share}, 0)
    assert int(kept.presence[:, 1].sum()) == n
    counts = torch.bincount(kept.labels[kept.presence[:, 1]], minlength=3)
    assert counts.tolist() == [n // 3] * 3
    assert kept.presence[:, 0].all()


def test_what_is_hidden_reads_as_zeros_and_the_rest_as_before():
    cases = small_cases(12)
    kept = keep_share(cases, {"audio": 0.5}, 0)
    inputs, before = kept.read(range(12)), cases.read(range(12))
    hidden = ~kept.presence[:, 1]
    assert not inputs["audio"][hidden].any()
    assert torch.equal(inputs["audio"][~hidden], before["audio"][~hidden])
    assert torch.equal(inputs["image"], before["image"])
    assert before["audio"].flatten(1).any(dim=1).all()
    assert torch.equal(pickle.loads(pickle.dumps(kept)).read([3])["audio"], inputs["audio"][3:4])


def test_the_cases_of_a_smaller_share_are_among_those_of_a_larger_one():
    cases = small_cases(60)
    shares = [keeping(cases, share) for share in (0.05, 0.1, 0.3, 0.5, 0.9)]
    assert all(small < large for small, large in zip(shares, shares[1:], strict=False))


def test_the_draw_follows_the_seed_and_not_the_order_of_the_cases():
    cases = small_cases(60)
    order = torch.arange(59, -1, -1)
    turned = replace(
        cases,
        case_ids=cases.case_ids[::-1],
        labels=cases.labels[order],
        presence=cases.presence[order],
    )
    assert keeping(cases, 0.3) == keeping(turned, 0.3)
    assert keeping(cases, 0.3) != keeping(cases, 0.3, seed=1)


def test_a_case_is_never_left_with_nothing():
    cases = small_cases(12, without=((0, "image"), (5, "image"), (7, "image")))
    kept = keep_share(cases, {"audio": 0.1}, 0)
    assert kept.presence.any(dim=1).all()
    assert kept.presence[:, 1].nonzero().flatten().tolist() == [0, 5, 7]


def test_without_a_share_the_cases_stay_what_they_are():
    cases = small_cases()
    assert keep_share(cases, {}, 0) is cases
    assert keep_share(cases, {"audio": 1}, 0) is cases


@pytest.mark.parametrize("coverage", [{"smell": 0.5}, {"audio": 1.5}, {"audio": -0.1}])
def test_a_share_that_is_none_is_refused(coverage):
    with pytest.raises(UsageError, match="image and audio shares from 0 to 1") as caught:
        keep_share(small_cases(), coverage, 0)
    assert caught.value.code == "E_COVERAGE"


def test_a_modality_that_no_case_would_have_is_refused():
    with pytest.raises(UsageError, match="audio must be left to some training case"):
        keep_share(small_cases(), {"audio": 0}, 0)
    missing = small_cases(3, without=tuple((n, "audio") for n in range(3)))
    with pytest.raises(UsageError, match="got none of 3 cases"):
        keep_share(missing, {}, 0)
