import pytest

from bundle.tasks.modalities import (
    MODALITIES,
    all_sets,
    canonical_modality,
    modality_sets,
    presence_flags,
    single_sets,
)


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("T1", "t1n"),
        ("t1ce", "t1c"),
        ("T1Gd", "t1c"),
        ("t2", "t2w"),
        ("FLAIR", "t2f"),
        ("T2-FLAIR", "t2f"),
        ("fla", "t2f"),
    ],
)
def test_names_in_common_use_mean_one_modality(name, modality):
    assert canonical_modality(name) == modality


def test_an_unknown_name_is_refused_with_the_names_that_are_known():
    with pytest.raises(ValueError, match=r"one of .*flair.*got 'dwi'"):
        canonical_modality("dwi")


def test_there_are_fifteen_modality_sets_and_each_occurs_once():
    sets = modality_sets()
    assert len(sets) == len(set(sets)) == 15
    assert sets[:4] == tuple((modality,) for modality in MODALITIES)
    assert sets[-1] == MODALITIES


def test_flags_follow_the_channel_order_whatever_the_order_of_names():
    assert presence_flags(["t2f", "t1n"]) == (True, False, False, True)
    assert [sum(flags) for flags in all_sets()] == [1] * 4 + [2] * 6 + [3] * 4 + [4]
    assert single_sets() == all_sets()[:4]
