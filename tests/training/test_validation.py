import pytest
import torch
from monai.metrics import compute_dice

from bundle.inference.set_inferer import SetInferer
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.validation import SetsAsChannelsd

R, SHAPE = 3, (4, 5, 6)
SETS = DEFAULT_TASK.all_sets()


def compared(present: tuple[str, ...], wanted=SETS) -> tuple[dict, dict]:
    """Return a case with a prediction for every set it has, and what becomes of it."""
    presence = torch.tensor(DEFAULT_TASK.presence_flags(present))
    sets = torch.tensor(wanted)
    sets = sets[~(sets & ~presence).any(dim=1)]
    pred = {"sets": sets, "logits": torch.randn(len(sets), R if len(sets) else 0, *SHAPE)}
    label = torch.randint(0, 2, (R, *SHAPE), dtype=torch.uint8)
    case = {"pred": pred, "label": label, "presence": presence}
    return case, SetsAsChannelsd(wanted)(case)


def unfolded(channels: torch.Tensor, n_sets: int = len(SETS)) -> torch.Tensor:
    """Take (R * S, ...) apart, regions outermost: (R, S, ...)."""
    return channels.reshape(R, n_sets, *SHAPE)


def test_each_set_of_a_full_case_is_compared_with_the_whole_label():
    case, done = compared(DEFAULT_TASK.modality_names)
    for s in range(len(SETS)):
        assert torch.equal(unfolded(done["label"])[:, s], case["label"])
        inside = torch.sigmoid(case["pred"]["logits"][s]) >= 0.5
        assert torch.equal(unfolded(done["pred"])[:, s].bool(), inside)


def test_a_set_that_the_case_does_not_have_is_compared_with_nothing():
    case, done = compared(DEFAULT_TASK.modality_names[1::2])
    for s, flags in enumerate(SETS):
        possible = not (flags[0] or flags[2])
        label = unfolded(done["label"])[:, s]
        assert torch.equal(label, case["label"]) if possible else not label.any()


def test_a_case_without_any_of_the_sets_has_channels_all_the_same_and_no_dice():
    singles = DEFAULT_TASK.single_sets()
    _, done = compared(DEFAULT_TASK.modality_names[:1], singles[1:])
    assert done["pred"].shape == done["label"].shape == (R * 3, *SHAPE)
    assert compute_dice(done["pred"][None], done["label"][None]).isnan().all()


@pytest.mark.parametrize("names", [("t1n", "t1c", "t2w", "t2f"), ("t1c",), ("t2w",)])
def test_what_the_inferer_gives_fits_also_where_the_case_has_none_of_the_sets(tiny_network, names):
    image = torch.randn(1, 4, *SHAPE)
    presence = torch.tensor([DEFAULT_TASK.presence_flags(names)])
    wanted = DEFAULT_TASK.single_sets()[:2]
    inferer = SetInferer(wanted, own_boxes=False, roi_size=(64, 64, 64))
    with torch.inference_mode():
        pred = {key: part[0] for key, part in inferer(image, tiny_network, presence).items()}
        case = {"pred": pred, "label": torch.ones(R, *SHAPE, dtype=torch.uint8)}
        done = SetsAsChannelsd(wanted)(case)
        label = unfolded(done["label"], 2)
        for s, flags in enumerate(wanted):
            if not presence[0, s]:
                assert not label[:, s].any()
            else:
                padded = torch.zeros(1, 4, 64, 64, 64)
                padded[:, :, 30:34, 29:34, 29:35] = image
                logits = tiny_network(padded, torch.tensor([flags]))[..., 30:34, 29:34, 29:35]
                assert torch.equal(unfolded(done["pred"], 2)[:, s].bool(), logits[0] >= 0)
