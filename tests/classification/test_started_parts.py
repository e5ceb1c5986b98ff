import pytest
import torch
from torch import nn

from bundle.classification.started_parts import start_within
from bundle.errors import SetupError
from bundle.weights.state_file import save_state


class Whole(nn.Module):
    """A network in which what was an expert is a stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stems = nn.ModuleDict({"image": nn.Linear(2, 3), "audio": nn.Linear(2, 3)})
        self.head = nn.Linear(3, 2)


def experts(*names: str) -> dict[str, torch.Tensor]:
    state = {}
    for number, name in enumerate(names):
        state[f"experts.{name}.weight"] = torch.full((3, 2), float(number + 1))
        state[f"experts.{name}.bias"] = torch.full((3,), float(number + 1))
        state[f"experts.{name}.output_block.weight"] = torch.zeros(2, 3)
    return state


def test_the_parts_start_as_the_experts_and_the_rest_as_it_is_built(tmp_path):
    save_state(experts("image", "audio"), tmp_path / "experts.pt")
    network = Whole()
    head = network.head.weight.clone()
    start_within(network, tmp_path / "experts.pt", within="stems")
    assert float(network.stems["image"].weight.detach().mean()) == 1
    assert float(network.stems["audio"].bias.detach().mean()) == 2
    assert torch.equal(network.head.weight, head)


def test_an_expert_may_be_a_part_of_the_part(tmp_path):
    save_state(experts("image"), tmp_path / "experts.pt")
    network = nn.ModuleDict(
        {"experts": nn.ModuleDict({"image": nn.ModuleDict({"expert": nn.Linear(2, 3)})})}
    )
    start_within(network, [tmp_path / "experts.pt"], within="experts", part="expert")
    assert float(network["experts"]["image"]["expert"].weight.detach().mean()) == 1


def test_nothing_to_start_from_leaves_the_network_as_it_is_built():
    network = Whole()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert start_within(network, None, within="stems") is network
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("odd", [{"experts.smell.weight": torch.zeros(3, 2)}, {}])
def test_experts_that_do_not_fit_are_refused(tmp_path, odd):
    state = odd or {"experts.image.weight": torch.zeros(9, 9)}
    save_state(state, tmp_path / "experts.pt")
    with pytest.raises(SetupError, match="must fit the configured network"):
        start_within(Whole(), tmp_path / "experts.pt", within="stems")


def test_a_missing_file_says_to_run_stage_1(tmp_path):
    with pytest.raises(SetupError, match="Run stage 1") as caught:
        start_within(Whole(), tmp_path / "none.pt", within="stems")
    assert caught.value.code == "E_EXPERTS"
