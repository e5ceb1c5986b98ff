"""Makes random transforms a function of a seed, wherever they take their numbers from."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable, Transform


def seed_transforms(transforms: Sequence[Callable], seeds: np.random.SeedSequence) -> None:
    """Return every generator in the transforms a seed of its own, also those of transforms inside
    other transforms.

    MONAI's own ways reach less: ``Compose`` passes over transforms that are not random themselves
    but hold random ones, and ``set_rnd`` gives all transforms of a list the same seed, so that
    flips fall together.
    """
    found = find_randomizable(transforms)
    for randomizable, seed in zip(found, seeds.generate_state(len(found)), strict=True):
        randomizable.set_random_state(seed=int(seed))


def find_randomizable(transforms: Sequence[Callable]) -> list[Randomizable]:
    """List everything with a generator of its own, outer transforms before those inside them.

    In that order, because an outer transform's ``set_random_state`` often seeds the inner ones with
    its own seed. Transforms that only a closure holds are not found.
    """
    found: list[Randomizable] = []
    seen: set[int] = set()
    waiting: list[Any] = list(reversed(transforms))
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Randomizable):
            found.append(value)
        waiting.extend(reversed(_parts(value)))
    return found


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    return list(vars(value).values()) if isinstance(value, Transform | Randomizable) else []


@contextmanager
def global_generators(seed: int) -> Iterator[None]:
    """Seed the CPU generators that all code shares, and put them back afterwards as they were.

    For transforms that draw from them, as MONAI's signal transforms and torchvision's do.
    Generators of GPUs are left alone.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 the shared one is meant
    with torch.random.fork_rng(devices=[]):
        try:
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, as loaders' workers do: with several, sums differ in their
    last bits.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
