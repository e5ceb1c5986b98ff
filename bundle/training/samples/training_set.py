"""The cases of a training run: preprocessed once, augmented anew in every epoch, the same way in
every run.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import Dataset
from monai.transforms import RandomizableTrait, Transform

from bundle.errors import UsageError
from bundle.training.samples.case_cache import CaseCache
from bundle.training.samples.case_keys import case_key, settings_digest
from bundle.training.samples.lesion_mixing import DONOR, RandLesionMixd
from bundle.training.samples.packed_case import keep_affine_only
from bundle.training.samples.seeds import (
    find_randomizable,
    global_generators,
    one_thread,
    seed_transforms,
)
from bundle.training.samples.worker_errors import case_errors_leave_workers

Sample = dict[str, Any]


class CachedCases(Dataset):
    """Cases with their deterministic transforms done once and their random ones seeded by seed,
    epoch and case.

    What a case looks like in an epoch depends on nothing else: not on the number of workers, the
    order, or where an interrupted run was resumed. With several processes use a sampler over the
    whole data set, such as
    ``DistributedSampler``: in parts of it the numbers of the cases would repeat. The order is the
    sampler's affair.

    The transforms up to the first random one, by the rule of MONAI's ``CacheDataset``, are done
    when the data set is made. Images keep their affine as only metadata. With ``cache_dir``,
    nothing that depends on the place of the files, such as the ``record`` of ``LoadCased``, should
    be among their results.

    As MONAI's random transforms, not for several threads at once.

    Args:
        data: one dictionary per case.
        transform: a ``Compose``, or what one is made of.
        seed: 0 or more.
        cache_rate: share of the preprocessed cases kept in memory, the first ones.
        cache_dir: folder that keeps preprocessed cases from run to run; None for none.
        max_cache_gb: bound on that folder, in 1e9 bytes.
        mixing_share: share of the samples that get another case under ``donor``, for
            ``RandLesionMixd``.
        num_workers: threads that preprocess at the start.

    Raises:
        UsageError: a setting is out of range, or samples are to be mixed and no transform does it.
        CaseError: a case kept in memory cannot be used, inside MONAI's own exception.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Sequence[Callable] | Callable,
        *,
        seed: int = 0,
        cache_rate: float = 1.0,
        cache_dir: Path | str | None = None,
        max_cache_gb: float = 50.0,
        mixing_share: float = 0.0,
        num_workers: int = 1,
    ) -> None:
        super().__init__(data, transform)
        _check_range("cache_rate", cache_rate, 1)
        _check_range("mixing_share", mixing_share, 1)
        _check_range("max_cache_gb", max_cache_gb, float("inf"))
        _check_range("seed", seed, float("inf"))
        self.seed = seed
        self.mixing_share = mixing_share
        self._check_mixing()
        # In shared memory, so that workers that live on from epoch to epoch see the new one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        first_random = self.transform.get_index_of_first(_is_random)  # type: ignore[no-untyped-call]
        self._n_fixed = len(self.transform.transforms) if first_random is None else first_random
        self._disk = None if cache_dir is None else CaseCache(cache_dir, max_cache_gb)
        self._keys = self._find_keys(num_workers)
        self._memory: list[Sample] = []
        self._memory = self._prepare_all(int(len(data) * cache_rate), num_workers)

    @property
    def epoch(self) -> int:
        """The epoch whose samples are drawn."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw the samples of an epoch, 0 or more, from now on.

        Call it before the loader is iterated.
        """
        self._epoch.fill_(epoch)

    def _transform(self, index: int) -> Any:
        index = range(len(self))[index]
        mixing, own, shared = np.random.SeedSequence([self.seed, self.epoch, index]).spawn(3)
        with case_errors_leave_workers(), one_thread():
            sample = (
                deepcopy(self._memory[index]) if index < len(self._memory) else self._prepare(index)
            )
            donor = self._draw_donor(index, np.random.default_rng(mixing))
            if donor is not None:
                sample[DONOR] = (
                    self._memory[donor] if donor < len(self._memory) else self._prepare(donor)
                )
            seed_transforms(self.transform.transforms[self._n_fixed :], own)
            with global_generators(int(shared.generate_state(1)[0])):
                return self.transform(sample, start=self._n_fixed)

    def _draw_donor(self, index: int, generator: np.random.Generator) -> int | None:
        if len(self) < 2 or generator.random() >= self.mixing_share:
            return None
        other = int(generator.integers(len(self) - 1))
        return other + (other >= index)

    def _prepare_all(self, count: int, n_threads: int) -> list[Sample]:
        with one_thread(), ThreadPoolExecutor(max(n_threads, 1)) as pool:
            return list(pool.map(self._prepare, range(count)))

    def _prepare(self, index: int) -> Sample:
        """Do the deterministic transforms of a case, unless the cache on disk has the result."""
        key = self._keys[index]
        kept = self._disk.load(key) if self._disk and key else None
        if kept is not None:
            return kept
        sample: Sample = keep_affine_only(
            self.transform(self.data[index], end=self._n_fixed, threading=True)
        )
        if self._disk and key and key == self._key(index):  # else a file was changed meanwhile
            self._disk.store(key, sample)
        return sample

    def _find_keys(self, n_threads: int) -> list[str | None]:
        """Read and digest all files here, once: what the workers of an epoch find out is lost with
        them.
        """
        if self._disk is None:
            return [None] * len(self)
        composed = self.transform
        fixed = composed.transforms[: self._n_fixed]
        self._settings = settings_digest(
            [fixed, composed.map_items, composed.unpack_items, composed.lazy, composed.overrides]
        )
        with ThreadPoolExecutor(max(n_threads, 1)) as pool:
            return list(pool.map(self._key, range(len(self))))

    def _key(self, index: int) -> str | None:
        try:
            return case_key(self.data[index], self._settings)
        except OSError:  # the transforms say better what is wrong with the file
            return None

    def _check_mixing(self) -> None:
        mixes = any(
            isinstance(part, RandLesionMixd)
            for part in find_randomizable(self.transform.transforms)
        )
        if self.mixing_share > 0 and not mixes:
            raise UsageError(
                "E_SETTING",
                f"mixing_share must be 0 where no transform mixes; got {self.mixing_share}. Put"
                " RandLesionMixd first among the random transforms.",
            )


def _is_random(transform: Any) -> bool:
    return isinstance(transform, RandomizableTrait) or not isinstance(transform, Transform)


def _check_range(name: str, value: float, largest: float) -> None:
    if not 0 <= value <= largest:
        limits = "0 or more" if largest == float("inf") else f"between 0 and {largest}"
        raise UsageError("E_SETTING", f"{name} must be {limits}; got {value}. Change the setting.")
