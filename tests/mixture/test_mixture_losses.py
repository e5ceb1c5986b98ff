import copy

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from bundle.mixture.dmome import DMoME
from bundle.mixture.mixture_losses import ExpertsLoss, MoFeLoss
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.step_inferers import ExpertsInferer
from bundle.volume_networks.region_loss import DiceBCELoss

MODALITIES = DEFAULT_TASK.modality_names

VOXELS = (5, 6, 7)
PRESENCE = (
    torch.tensor([[True, True, True, False], [True, False, True, False]]),
    torch.tensor([[False, True, True, True], [True, False, True, True]]),
    torch.tensor([[False, True, False, False], [False, True, False, False]]),
    torch.tensor([[True, True, True, True], [True, True, True, True]]),
)


def given(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """A task loss whose values per case and region are chosen by hand."""
    return values


def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        (
            torch.randn(2, len(MODALITIES), *VOXELS, generator=generator),
            (torch.rand(2, 3, *VOXELS, generator=generator) < 0.4).float(),
            presence,
        )
        for presence in PRESENCE
    ]


def optimizer_of(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.1)


def train_together(network: DMoME) -> None:
    optimizer, loss, inferer = (
        optimizer_of(network.experts),
        ExpertsLoss(DiceBCELoss()),
        ExpertsInferer(),
    )
    for image, target, presence in batches():
        optimizer.zero_grad(set_to_none=True)
        loss(inferer(image, network, presence), target).backward()
        optimizer.step()


def train_alone(expert: nn.Module, m: int) -> None:
    optimizer, loss = optimizer_of(expert), DiceBCELoss()
    for image, target, presence in batches():
        rows = presence[:, m]
        if rows.any():
            optimizer.zero_grad(set_to_none=True)
            loss(expert(image[rows, m : m + 1]), target[rows]).mean().backward()
            optimizer.step()


def test_experts_trained_in_one_run_get_the_weights_of_experts_trained_alone(tiny_network):
    alone = copy.deepcopy(tiny_network.experts)
    before = copy.deepcopy(tiny_network.state_dict())
    train_together(tiny_network)
    for m, (modality, expert) in enumerate(alone.items()):
        train_alone(expert, m)
        for name, value in tiny_network.experts[modality].named_parameters():
            assert torch.allclose(value, expert.get_parameter(name), rtol=0, atol=1e-7)
            assert not torch.equal(value, before[f"experts.{modality}.{name}"])


def test_an_expert_without_a_case_in_the_batch_does_not_move(tiny_network):
    """Not even by weight decay or by momentum from earlier batches."""
    optimizer, loss, inferer = (
        optimizer_of(tiny_network),
        ExpertsLoss(DiceBCELoss()),
        ExpertsInferer(),
    )
    for image, target, presence in batches()[1:3]:
        before = copy.deepcopy(tiny_network.experts)
        optimizer.zero_grad(set_to_none=True)
        loss(inferer(image, tiny_network, presence), target).backward()
        optimizer.step()
    moved = {
        name
        for name in MODALITIES
        if not torch.equal(before[name].weight, tiny_network.experts[name].weight)
    }
    assert moved == {"t1c"}


def test_the_sum_over_experts_leaves_absent_cases_out_of_each_mean():
    values = torch.tensor([[[1.0], [2.0]], [[3.0], [torch.nan]]])
    presence = torch.tensor([[True, True], [True, False]])
    loss = ExpertsLoss(given)((values, presence), torch.zeros(2, 1))
    assert float(loss) == (1 + 3) / 2 + 2


def test_an_expert_that_no_case_has_adds_nothing():
    values = torch.tensor([[[1.0], [torch.nan]]])
    assert (
        float(ExpertsLoss(given)((values, torch.tensor([[True, False]])), torch.zeros(1, 1))) == 1
    )


def test_more_versus_fewer_equals_the_equation():
    """Case 1: 0.3 and 0.5, no hinge. Case 2: 0.7 and 0.2, hinge 0.5. Mean of 0.8 and 0.9 + 0.1 x
    0.5.
    """
    more = torch.tensor([[0.2, 0.4], [0.9, 0.5]])
    fewer = torch.tensor([[0.4, 0.6], [0.1, 0.3]])
    assert float(MoFeLoss(given, weight=0.1)((more, fewer), more)) == pytest.approx(
        (0.8 + 0.95) / 2
    )
    assert float(MoFeLoss(given, weight=0.0)((more, fewer), more)) == pytest.approx((0.8 + 0.9) / 2)


@pytest.mark.parametrize("weight", [0.0, 0.1, 7.0])
def test_the_hinge_is_zero_where_more_modalities_do_better(weight):
    more, fewer = (
        torch.tensor([[0.9, 0.1]]),
        torch.tensor([[0.2, 0.8]]),
    )  # on the mean over regions, not per region
    assert float(MoFeLoss(given, weight)((more, fewer), more)) == pytest.approx(1.0)


def test_the_hinge_pulls_the_larger_set_down_and_the_smaller_one_up():
    more = torch.tensor([[0.9, 0.5], [0.1, 0.1]], requires_grad=True)
    fewer = torch.tensor([[0.1, 0.3], [0.2, 0.2]], requires_grad=True)
    MoFeLoss(given, weight=0.4)((more, fewer), more).backward()
    assert more.grad.tolist() == [pytest.approx([1.4 / 4] * 2), pytest.approx([1 / 4] * 2)]
    assert fewer.grad.tolist() == [pytest.approx([0.6 / 4] * 2), pytest.approx([1 / 4] * 2)]


def test_two_equal_predictions_cost_twice_the_task_loss():
    logits, target = torch.randn(2, 3, *VOXELS), (torch.rand(2, 3, *VOXELS) < 0.4).float()
    loss = MoFeLoss(DiceBCELoss(), weight=5.0)((logits, logits), target)
    assert float(loss) == pytest.approx(2 * float(DiceBCELoss()(logits, target).mean()), rel=1e-6)


def test_the_hinge_can_be_taken_per_region():
    """Region losses 0.9 and 0.1 against 0.2 and 0.8: hinge 0.7 in one of two regions, none on the
    mean.
    """
    more, fewer = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.2, 0.8]])
    loss = MoFeLoss(given, weight=0.1, per_region=True)
    assert float(loss((more, fewer), more)) == pytest.approx(1.0 + 0.1 * 0.35)


@pytest.mark.parametrize("per_region", [False, True])
def test_the_hinge_need_not_push_the_smaller_set_up(per_region):
    more = torch.tensor([[0.9, 0.5]], requires_grad=True)
    fewer = torch.tensor([[0.1, 0.3]], requires_grad=True)
    loss = MoFeLoss(given, weight=0.4, per_region=per_region, stop_fewer_gradient=True)
    value = loss((more, fewer), more)
    value.backward()
    assert value.item() == pytest.approx(0.7 + 0.2 + 0.4 * 0.5)
    assert more.grad.tolist() == [pytest.approx([1.4 / 2] * 2)]
    assert fewer.grad.tolist() == [pytest.approx([1 / 2] * 2)]


def test_the_parts_of_the_ranking_loss_add_up_to_it():
    more = torch.tensor([[0.2, 0.4], [0.9, 0.5]], requires_grad=True)
    fewer = torch.tensor([[0.4, 0.6], [0.1, 0.3]])
    loss = MoFeLoss(given, weight=0.3)
    value = loss((more, fewer), more.detach()).item()
    assert {name: part.item() for name, part in loss.parts.items()} == {
        "more": pytest.approx(0.5),
        "fewer": pytest.approx(0.35),
        "hinge": pytest.approx(0.25),
    }
    assert value == pytest.approx(0.5 + 0.35 + 0.3 * 0.25)
    assert not any(part.requires_grad for part in loss.parts.values())


@pytest.mark.parametrize("names", [None, MODALITIES[:2]])
def test_the_parts_of_the_first_stage_are_those_of_the_experts_with_a_case(names):
    values = torch.tensor([[[1.0], [torch.nan]], [[3.0], [torch.nan]]], requires_grad=True)
    loss = ExpertsLoss(given, names)
    loss((values, torch.tensor([[True, False], [True, False]])), torch.zeros(2, 1))
    assert {name: part.tolist() for name, part in loss.parts.items()} == {
        "t1n" if names else "expert_0": 2.0
    }
    assert not any(part.requires_grad for part in loss.parts.values())


def test_a_batch_without_any_trained_expert_costs_nothing_and_touches_no_weight(tiny_network):
    loss = ExpertsLoss(DiceBCELoss())
    pred = ExpertsInferer(names=["t1c"])(
        torch.randn(2, 4, *VOXELS), tiny_network, torch.tensor([[True, False, True, True]] * 2)
    )
    value = loss(pred, torch.zeros(2, 3, *VOXELS))
    value.backward()
    assert value.item() == 0
    assert loss.parts == {}
    assert all(parameter.grad is None for parameter in tiny_network.parameters())


def test_a_label_with_metadata_gives_a_plain_loss():
    logits, target = torch.randn(1, 3, *VOXELS), (torch.rand(1, 3, *VOXELS) < 0.4).to(torch.uint8)
    loss = MoFeLoss(DiceBCELoss())
    value = loss((logits, logits), MetaTensor(target))
    assert {type(value), *map(type, loss.parts.values())} == {torch.Tensor}
    assert torch.equal(value, loss((logits, logits), target))


def one_process(rank: int, folder: str) -> None:
    """Compute the averaged gradient of one of two processes, of which each has one case."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    values, presence = given_cases()
    part = values[rank : rank + 1].requires_grad_()
    ExpertsLoss(given)((part, presence[rank : rank + 1]), torch.zeros(1, 1)).backward()
    gradients = torch.zeros_like(values)
    if part.grad is not None:
        gradients[rank] = part.grad[0]
    torch.distributed.all_reduce(gradients)
    torch.save(gradients / 2, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def given_cases() -> tuple[torch.Tensor, torch.Tensor]:
    """Expert 0 has both cases, expert 1 the first, expert 2 none, expert 3 the second."""
    values = torch.arange(8.0).reshape(2, 4, 1) + 1
    return values, torch.tensor([[True, True, False, False], [True, False, False, True]])


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one_with_all_cases_where_modalities_are_missing(
    tmp_path,
):
    torch.multiprocessing.spawn(one_process, (str(tmp_path),), nprocs=2)
    values, presence = given_cases()
    values.requires_grad_()
    ExpertsLoss(given)((values, presence), torch.zeros(2, 1)).backward()
    for rank in range(2):
        assert torch.allclose(torch.load(tmp_path / f"{rank}.pt", weights_only=True), values.grad)
    assert values.grad.squeeze().tolist() == [[0.5, 1, 0, 0], [0.5, 0, 0, 1]]


def test_the_experts_own_losses_are_added_with_their_weight():
    generator = torch.Generator().manual_seed(1)
    more, fewer = torch.randn(2, 2, 3, *VOXELS, generator=generator)
    said = torch.randn(2, len(MODALITIES), 3, *VOXELS, generator=generator)
    target = (torch.rand(2, 3, *VOXELS, generator=generator) < 0.4).float()
    ran = PRESENCE[0]
    pair, alone = MoFeLoss(DiceBCELoss()), ExpertsLoss(DiceBCELoss())
    both = MoFeLoss(DiceBCELoss(), experts=ExpertsLoss(DiceBCELoss()), experts_weight=0.5)
    together = both((more, fewer, said, ran), target)
    expected = pair((more, fewer), target) + 0.5 * alone((said, ran), target)
    assert torch.allclose(together, expected)
    assert torch.allclose(both.parts["experts"], alone((said, ran), target))
    assert both.parts["hinge"] == pair.parts["hinge"]
    assert "experts" not in pair.parts


def test_the_hinge_can_rank_by_something_else_than_the_task_loss():
    def missed(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 1 - values

    more, fewer = torch.tensor([[0.2]]), torch.tensor([[0.5]])
    loss = MoFeLoss(given, weight=10.0, rank_by=missed)
    assert float(loss((more, fewer), more)) == pytest.approx(0.7 + 10 * 0.3)
    assert float(loss.parts["hinge"]) == pytest.approx(0.3)
    assert float(loss((fewer, more), more)) == pytest.approx(0.7)
