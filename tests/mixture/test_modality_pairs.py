from collections import Counter

import pytest
import torch
from monai.transforms import Compose
from scipy.stats import chisquare

from bundle.errors import SetupError
from bundle.mixture.modality_pairs import (
    STRATEGIES,
    RandModalityPaird,
    is_proper_superset,
    subsets,
)
from bundle.tasks.default import DEFAULT_TASK

MODALITIES = DEFAULT_TASK.modality_names

FULL = (True,) * len(MODALITIES)
N_DRAWS = 2800
Flags = tuple[bool, ...]
EACH_SET = pytest.mark.parametrize("acquired", DEFAULT_TASK.all_sets(), ids=str)
EACH_STRATEGY = pytest.mark.parametrize("strategy", STRATEGIES)


def draw(
    acquired: Flags, n_draws: int, seed: int = 0, strategy: str = "uniform"
) -> list[tuple[Flags, Flags]]:
    """Draw pairs (more, fewer) for a case with the acquired modalities."""
    transform = RandModalityPaird(strategy=strategy)
    transform.set_random_state(seed)
    samples = [transform({"presence": torch.tensor(acquired)}) for _ in range(n_draws)]
    return [(tuple(sample["more"].tolist()), tuple(sample["fewer"].tolist())) for sample in samples]


def contains(larger: Flags, smaller: Flags) -> bool:
    return all(big or not small for big, small in zip(larger, smaller, strict=True))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Flags, Flags]]:
    return draw(FULL, N_DRAWS)


def test_the_smaller_set_is_uniform_over_the_14_sets_that_leave_a_modality_out(pairs):
    counts = Counter(fewer for _, fewer in pairs)
    assert set(counts) == {tuple(flags) for flags in DEFAULT_TASK.all_sets()} - {FULL}
    assert chisquare(list(counts.values())).pvalue > 0.01


def test_the_larger_set_is_uniform_over_the_proper_supersets(pairs):
    for fewer in {fewer for _, fewer in pairs}:
        supersets = {
            tuple(flags) for flags in DEFAULT_TASK.all_sets() if contains(flags, fewer)
        } - {fewer}
        counts = Counter(more for more, smaller in pairs if smaller == fewer)
        assert set(counts) == supersets
        assert len(counts) == 1 or chisquare(list(counts.values())).pvalue > 0.001


@EACH_STRATEGY
@EACH_SET
def test_the_larger_set_always_contains_the_smaller_one_and_one_modality_more(acquired, strategy):
    if sum(acquired) > 1:
        pairs = draw(acquired, 50, strategy=strategy)
        assert all(contains(more, fewer) and sum(more) > sum(fewer) > 0 for more, fewer in pairs)


@EACH_STRATEGY
@EACH_SET
def test_no_set_holds_a_modality_that_was_not_acquired(acquired, strategy):
    pairs = draw(acquired, 50, strategy=strategy)
    assert all(contains(acquired, more) and contains(acquired, fewer) for more, fewer in pairs)


@EACH_STRATEGY
@pytest.mark.parametrize("modality", range(len(MODALITIES)))
def test_a_case_with_one_modality_gets_that_set_twice(modality, strategy):
    only = tuple(m == modality for m in range(len(MODALITIES)))
    assert set(draw(only, 5, strategy=strategy)) == {(only, only)}


def expected_pairs(acquired: Flags, strategy: str) -> dict[tuple[Flags, Flags], float]:
    """Probability of every pair (more, fewer), from the definition of the strategy."""
    sets = [tuple(flags) for flags in DEFAULT_TASK.all_sets() if contains(acquired, tuple(flags))]

    def chance(chosen: Flags, candidates: list[Flags]) -> float:
        if strategy == "uniform":
            return 1 / len(candidates)
        sizes = [sum(candidate) for candidate in candidates]
        return 1 / len(set(sizes)) / sizes.count(sum(chosen))

    smaller, above = [flags for flags in sets if flags != acquired], {}
    for fewer in smaller:
        larger = [flags for flags in sets if contains(flags, fewer) and flags != fewer]
        above |= {(more, fewer): chance(fewer, smaller) * chance(more, larger) for more in larger}
    return above


@EACH_STRATEGY
@pytest.mark.parametrize(
    "acquired",
    [FULL, (True, False, True, True), (False, True, False, True)],
    ids=["four", "three", "two"],
)
@pytest.mark.slow
def test_pairs_come_as_often_as_their_strategy_says(acquired, strategy):
    """Also for cases that miss modalities. Chi-square over all pairs, with a fixed seed."""
    expected = expected_pairs(acquired, strategy)
    counts = Counter(draw(acquired, N_DRAWS, seed=2, strategy=strategy))
    assert sum(expected.values()) == pytest.approx(1)
    assert set(counts) == set(expected)
    observed = [counts[pair] for pair in expected]
    assert chisquare(observed, [share * N_DRAWS for share in expected.values()]).pvalue > 0.01


def test_the_reference_draws_two_modalities_22_percent_too_seldom():
    pairs = expected_pairs(FULL, "reference")
    share = sum(
        chance for (_, fewer), chance in pairs.items() if fewer == (True, True, False, False)
    )
    assert share / (1 / 14) == pytest.approx(1 - 0.22, abs=0.005)


def test_an_unknown_strategy_is_refused():
    with pytest.raises(SetupError, match="uniform, reference; got 'random'"):
        RandModalityPaird(strategy="random")


def test_the_same_seed_draws_the_same_pairs_and_another_seed_others():
    assert draw(FULL, 30, seed=4) == draw(FULL, 30, seed=4)
    assert draw(FULL, 30, seed=4) != draw(FULL, 30, seed=5)


def test_a_composition_seeds_the_draw():
    def draw_in_composition(seed: int) -> list[Flags]:
        composed = Compose([RandModalityPaird()]).set_random_state(seed)
        return [
            tuple(composed({"presence": torch.tensor(FULL)})["fewer"].tolist()) for _ in range(20)
        ]

    assert draw_in_composition(1) == draw_in_composition(1)
    assert draw_in_composition(1) != draw_in_composition(2)


def test_the_sample_keeps_its_presence_and_gets_flags_of_its_own():
    presence = torch.tensor([True, False, False, False])
    sample = RandModalityPaird()({"presence": presence, "case_id": "a"})
    sample["more"][1] = True
    sample["fewer"][2] = True
    assert sample["case_id"] == "a"
    assert sample["presence"].tolist() == presence.tolist() == [True, False, False, False]
    assert sample["more"].tolist() != sample["fewer"].tolist()


def test_the_subsets_of_all_modalities_are_the_15_sets():
    assert sorted(map(list, subsets(FULL))) == sorted(DEFAULT_TASK.all_sets())


def test_a_set_is_no_proper_superset_of_itself():
    flags = (True, False, True, False)
    assert not is_proper_superset(flags, flags)
    assert is_proper_superset((True, True, True, False), flags)
    assert not is_proper_superset((True, True, False, True), flags)


@pytest.mark.parametrize(
    ("acquired", "strategy", "expected"),
    [
        ("1111", "uniform", "1111>1011 1101>1001 0101>0100 1011>1001 1110>0110 0111>0100"),
        ("1111", "reference", "1111>0111 1011>1001 1110>0010 1101>0101 1111>0111 1101>0001"),
        ("1011", "uniform", "1011>0011 1001>0001 1001>1000 0011>0001 1011>1010 1011>1010"),
        ("1011", "reference", "1011>0001 1011>0011 1011>0001 1011>1010 1011>1001 1011>1010"),
        ("11", "uniform", "11>01 11>01 11>10 11>10 11>01 11>01"),
    ],
)
def test_a_seed_draws_what_it_drew_in_earlier_versions(acquired, strategy, expected):
    pairs = draw(tuple(flag == "1" for flag in acquired), 6, seed=3, strategy=strategy)
    drawn = [
        ">".join("".join(str(int(flag)) for flag in flags) for flags in pair) for pair in pairs
    ]
    assert " ".join(drawn) == expected
