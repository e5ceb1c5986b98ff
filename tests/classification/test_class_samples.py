import pickle

import torch
from monai.data import DataLoader

from bundle.classification.class_samples import ClassSamples, whole_batch
from bundle.mixture.modality_pairs import RandModalityPaird
from tests.classification.small_cases import small_cases


def drawn(samples: ClassSamples, epoch: int) -> torch.Tensor:
    samples.set_epoch(epoch)
    (batch,) = samples.__getitems__(range(len(samples)))
    return torch.cat([batch["more"], batch["fewer"]], dim=1)


def test_a_batch_has_inputs_labels_names_and_sets_of_the_chosen_cases():
    cases = small_cases(without=((1, "audio"),))
    (batch,) = ClassSamples(cases, RandModalityPaird("presence")).__getitems__([5, 1])
    assert batch["image"]["image"].shape == (2, 1, 12, 12)
    assert batch["image"]["audio"].shape == (2, 1, 8, 8)
    assert batch["image"]["audio"][1].abs().sum() == 0
    assert batch["label"].tolist() == [2, 1]
    assert batch["case_id"] == ["case-5", "case-1"]
    assert batch["presence"].tolist() == [[True, True], [True, False]]
    assert batch["more"].tolist() == [[True, True], [True, False]]
    assert batch["fewer"].sum(dim=1).tolist() == [1, 1]


def test_the_sets_depend_on_seed_and_epoch_and_on_nothing_else():
    pairs = RandModalityPaird("presence")
    samples = ClassSamples(small_cases(40), pairs, seed=3)
    third = drawn(samples, 3)
    assert not torch.equal(third, drawn(samples, 4))
    assert torch.equal(third, drawn(samples, 3))
    assert torch.equal(third, drawn(ClassSamples(small_cases(40), pairs, seed=3), 3))
    assert not torch.equal(third, drawn(ClassSamples(small_cases(40), pairs, seed=4), 3))


def test_workers_see_the_sets_of_the_epoch():
    samples = ClassSamples(small_cases(), RandModalityPaird("presence"))
    expected = drawn(samples, 7)
    loader = DataLoader(samples, batch_size=12, num_workers=1, collate_fn=whole_batch)
    (batch,) = loader
    assert torch.equal(torch.cat([batch["more"], batch["fewer"]], dim=1), expected)


def test_without_pairs_there_are_no_sets_but_presence():
    batch = ClassSamples(small_cases())[2]
    assert set(batch) == {"image", "label", "presence", "case_id"}


def test_samples_can_be_sent_to_other_processes():
    samples = pickle.loads(pickle.dumps(ClassSamples(small_cases())))
    assert samples[4]["label"].tolist() == [1]
