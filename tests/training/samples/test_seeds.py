import random

import numpy as np
import pytest
import torch
from monai.transforms import (
    Compose,
    Lambda,
    OneOf,
    RandFlip,
    RandGaussianNoise,
    RandScaleIntensity,
    Transform,
)

from bundle.training.samples.seeds import find_randomizable, global_generators, seed_transforms

IMAGE = torch.rand(1, 5, 6, 7)


class Wrapper(Transform):
    """A transform that is not random itself but holds one that is, as a dictionary."""

    def __init__(self, inner):
        self.parts = {"inner": [inner]}

    def __call__(self, image):
        return self.parts["inner"][0](image)


NESTED = {
    "plain": lambda: RandGaussianNoise(prob=1.0),
    "in a composition": lambda: Compose([Compose([RandGaussianNoise(prob=1.0)])]),
    "in a choice": lambda: OneOf([RandGaussianNoise(prob=1.0), RandScaleIntensity(0.5, prob=1.0)]),
    "in a transform that is not random": lambda: Wrapper(RandGaussianNoise(prob=1.0)),
    "two deep": lambda: Wrapper(Compose([Wrapper(RandGaussianNoise(prob=1.0))])),
}


def draw(transform, seed):
    seed_transforms([transform], np.random.SeedSequence(seed))
    return transform(IMAGE.clone())


@pytest.mark.parametrize("name", NESTED)
def test_a_seed_reaches_transforms_inside_others(name):
    transform = NESTED[name]()
    one, two, again = draw(transform, 1), draw(transform, 2), draw(transform, 1)
    assert torch.equal(one, again)
    assert not torch.equal(one, two)
    assert torch.equal(one, draw(NESTED[name](), 1))


def test_transforms_of_a_list_are_drawn_independently():
    flips = [RandFlip(prob=0.5, spatial_axis=axis) for axis in range(3)]
    drawn = set()
    for seed in range(60):
        seed_transforms(flips, np.random.SeedSequence(seed))
        drawn.add(tuple(bool((flip(IMAGE) != IMAGE).any()) for flip in flips))
    assert len(drawn) == 8


def test_every_generator_is_found_once_outer_ones_first():
    noise = RandGaussianNoise(prob=1.0)
    outer = Compose([noise, Wrapper(noise)])
    assert find_randomizable([outer, noise]) == [outer, noise]


def test_transforms_that_hold_each_other_are_no_trap():
    one, two = Wrapper(None), Wrapper(None)
    one.parts, two.parts = {"inner": two}, {"inner": one}
    assert find_randomizable([one, Lambda(abs)]) == []


def shared_numbers():
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002 the shared one is meant


def test_inside_all_shared_generators_follow_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        with global_generators(seed):
            drawn.append(shared_numbers())
    assert drawn[0] == drawn[1]
    assert all(a != b for a, b in zip(drawn[0], drawn[2], strict=True))


def test_outside_nobody_notices_not_even_after_an_error():
    with global_generators(7):
        expected = (shared_numbers(), shared_numbers())
    with global_generators(7):
        first = shared_numbers()
        with pytest.raises(ZeroDivisionError), global_generators(1):
            1 / int(torch.rand(()))
        assert (first, shared_numbers()) == expected
