import math

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from bundle.training.best_weights import BestWeights, expert_parts, mean_score
from bundle.weights.state_file import read_weights
from tests.tasks.small_task import SMALL_TASK


class Network(nn.Module):
    """Two experts of one weight each, and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleDict(
            {"t1n": nn.Linear(1, 1, bias=False), "t1c": nn.Linear(1, 1, bias=False)}
        )
        self.gate = nn.Linear(1, 1, bias=False)

    def set(self, value: float) -> None:
        for parameter in self.parameters():
            nn.init.constant_(parameter, value)


def validate(best: BestWeights, value: float, dice: list[list[float]]) -> None:
    """Return all weights a value and validate with Dice scores known beforehand, (cases,
    channels).
    """
    best.network.set(value)
    engine = Engine(lambda *_: None)

    @engine.on(Events.STARTED)
    def _score() -> None:
        engine.state.metric_details = {"val_mean_dice": torch.tensor(dice)}

    best.attach(engine)
    engine.run([None], max_epochs=1)


def stored(best: BestWeights) -> dict[str, float]:
    return {
        name.removesuffix(".weight"): float(value)
        for name, value in read_weights(best.path).items()
    }


@pytest.fixture
def network() -> Network:
    return Network()


def test_the_whole_network_is_kept_when_its_mean_is_the_best_so_far(network, tmp_path):
    best = BestWeights(network, tmp_path / "w.pt")
    validate(best, 1.0, [[0.2, 0.4]])
    validate(best, 2.0, [[0.5, 0.5]])
    validate(best, 3.0, [[0.9, 0.0]])
    assert stored(best) == {"experts.t1n": 2.0, "experts.t1c": 2.0, "gate": 2.0}


def test_each_expert_is_kept_by_its_own_score_and_the_gate_is_not_stored(network, tmp_path):
    best = BestWeights(network, tmp_path / "w.pt", {"experts.t1n": [0], "experts.t1c": [1]})
    validate(best, 1.0, [[0.9, 0.1]])
    validate(best, 2.0, [[0.1, 0.2]])
    validate(best, 3.0, [[0.5, 0.1]])
    assert stored(best) == {"experts.t1n": 1.0, "experts.t1c": 2.0}


def test_scores_that_are_not_defined_are_left_out(network, tmp_path):
    best = BestWeights(network, tmp_path / "w.pt")
    validate(best, 1.0, [[0.4, 0.4]])
    validate(best, 2.0, [[math.nan, 0.5]])
    assert stored(best)["gate"] == 2.0


def test_the_first_validation_is_kept_even_if_nothing_is_defined(network, tmp_path):
    best = BestWeights(network, tmp_path / "w.pt")
    validate(best, 1.0, [[math.nan, math.nan]])
    assert stored(best)["gate"] == 1.0


def test_a_stored_and_loaded_keeper_does_not_replace_better_weights(network, tmp_path):
    first = BestWeights(network, tmp_path / "w.pt")
    validate(first, 1.0, [[0.6]])
    second = BestWeights(network, tmp_path / "w.pt")
    second.load_state_dict(first.state_dict())
    validate(second, 2.0, [[0.5]])
    assert stored(second)["gate"] == 1.0


def test_the_channels_of_experts_lie_as_the_inferer_lays_them_out():
    assert expert_parts(["t1c", "t2f"], 3) == {"experts.t1c": [0, 2, 4], "experts.t2f": [1, 3, 5]}


def test_the_order_in_which_experts_are_named_does_not_matter():
    assert expert_parts(["t2f", "t1c"], 3) == expert_parts(["t1c", "t2f"], 3)


def test_a_mean_of_nothing_is_not_defined():
    assert math.isnan(mean_score(torch.tensor([math.nan])))


def test_an_expert_that_no_case_judges_is_kept_as_it_was_last_and_a_warning_says_so(
    network, tmp_path, caplog
):
    best = BestWeights(network, tmp_path / "w.pt", {"experts.t1n": [0], "experts.t1c": [1]})
    for value, dice in ((1.0, 0.9), (2.0, 0.1), (3.0, 0.2)):
        validate(best, value, [[dice, math.nan]])
    assert stored(best) == {"experts.t1n": 1.0, "experts.t1c": 3.0}
    assert [record.getMessage() for record in caplog.records] == [
        "No validation case judges experts.t1c: kept are the weights of the last validation"
    ]


def test_a_score_that_is_not_defined_once_replaces_no_judged_weights(network, tmp_path):
    best = BestWeights(network, tmp_path / "w.pt")
    validate(best, 1.0, [[0.3]])
    validate(best, 2.0, [[math.nan]])
    assert stored(best)["gate"] == 1.0


def test_experts_of_another_task_have_its_order():
    parts = expert_parts(["t1n", "t2f"], 1, task=SMALL_TASK)
    assert list(parts.items()) == [("experts.t2f", [0]), ("experts.t1n", [1])]
