import pytest
import torch
from ignite.engine import Engine
from torch import nn

from bundle.training.weight_average import WeightAverage


def train(average: WeightAverage, values: list[float]) -> None:
    """Run one step per value, which becomes the only weight."""

    def step(_engine: Engine, value: float) -> None:
        nn.init.constant_(average.network.weight, value)

    engine = Engine(step)
    average.attach(engine)
    engine.run(values, max_epochs=1)


@pytest.fixture
def network() -> nn.Module:
    return nn.Linear(1, 1, bias=False)


def test_the_average_follows_the_recursion_of_its_definition(network):
    average = WeightAverage(network, 0.5)
    train(average, [1.0, 2.0, 4.0, 8.0])
    expected = 1.0
    for n, value in enumerate([2.0, 4.0, 8.0], start=1):
        keep = min(0.5, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * value
    assert average.module.weight.item() == pytest.approx(expected)


def test_the_random_start_is_forgotten_at_the_first_step(network):
    average = WeightAverage(network, 0.999)
    train(average, [3.0])
    assert average.module.weight.item() == 3.0


def test_a_decay_of_0_is_the_network_itself(network):
    average = WeightAverage(network, 0.0)
    train(average, [1.0, 5.0, 7.0])
    assert torch.equal(average.module.weight, network.weight)


def test_the_trained_network_is_left_alone(network):
    train(WeightAverage(network, 0.9), [1.0, 5.0])
    assert network.weight.item() == 5.0


def test_an_average_that_is_stored_and_loaded_goes_on_as_if_it_had_not_been(network):
    whole, first = WeightAverage(network, 0.8), WeightAverage(network, 0.8)
    train(first, [1.0, 2.0, 3.0])
    second = WeightAverage(network, 0.8)
    second.load_state_dict(first.state_dict())
    train(second, [4.0, 5.0])
    train(whole, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert torch.equal(second.module.weight, whole.module.weight)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(network, decay):
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(network, decay)
