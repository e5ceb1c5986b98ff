import torch

from bundle.tasks.modalities import all_sets, presence_flags
from bundle.training.validation import RepeatForSetsd


def repeat(present: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the label (R, ...) of a case, and its repetition unfolded to (R, S, ...)."""
    label = torch.randint(0, 2, (3, 4, 5, 6), dtype=torch.uint8)
    sample = {"label": label, "presence": torch.tensor(presence_flags(present))}
    return label, RepeatForSetsd("label", all_sets())(sample)["label"].unflatten(0, (3, -1))


def test_each_set_of_a_full_case_is_compared_with_the_whole_label():
    label, repeated = repeat(("t1n", "t1c", "t2w", "t2f"))
    assert repeated.shape[1] == 15
    assert all(torch.equal(repeated[:, s], label) for s in range(15))


def test_a_set_that_the_case_does_not_have_is_compared_with_nothing():
    label, repeated = repeat(("t1c", "t2f"))
    for s, flags in enumerate(all_sets()):
        possible = not (flags[0] or flags[2])
        assert torch.equal(repeated[:, s], label) if possible else not repeated[:, s].any()
