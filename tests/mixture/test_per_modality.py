import pytest
import torch
from torch import nn

from bundle.errors import SetupError
from bundle.mixture.per_modality import one_each, one_for_all


def build() -> nn.Module:
    return nn.Linear(2, 2)


def test_every_modality_gets_a_part_of_its_own_in_the_order_of_the_names():
    parts = one_each(build, ("b", "a"))
    assert list(parts) == ["b", "a"]
    assert not torch.equal(parts["a"].weight, parts["b"].weight)


def test_the_parts_draw_their_weights_one_after_the_other():
    torch.manual_seed(1)
    expected = [build().weight for _ in range(2)]
    torch.manual_seed(1)
    found = [part.weight for part in one_each(build, ("a", "b")).values()]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_a_part_that_was_built_already_is_refused_with_the_way_out():
    with pytest.raises(SetupError, match=r"_mode_: callable.*got one Linear"):
        one_each(build(), ("a", "b"))


def test_a_part_for_all_is_one_whose_weights_have_the_names_of_each():
    parts = one_for_all(build, ("a", "b"))
    assert parts["a"] is parts["b"]
    network = nn.ModuleDict(parts)
    assert len(list(network.parameters())) == 2
    apart = nn.ModuleDict(one_each(build, ("a", "b")))
    apart.load_state_dict(network.state_dict())
    assert torch.equal(apart["a"].weight, apart["b"].weight)
