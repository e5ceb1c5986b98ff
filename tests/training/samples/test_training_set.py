import pickle
import shutil

import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor
from monai.transforms import Compose, Identityd, Lambdad, RandGaussianNoised
from torch.utils.data import DataLoader as TorchLoader

from bundle.cases.case_loader import LoadCased
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import labelled_cases
from bundle.errors import UsageError, find_user_error
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tensors import plain_tensor
from bundle.training.samples.case_cache import SUFFIX
from bundle.training.samples.lesion_mixing import DONOR, RandLesionMixd
from bundle.training.samples.training_set import CachedCases
from tests.training.samples.test_worker_errors import failure

N_CASES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three small labelled phantoms; the last one has no t2f."""
    root = tmp_path_factory.mktemp("cases")
    write_phantoms(root, n_cases=N_CASES, seed=5, shape=(40, 48, 36))
    (root / "phantom-00003-000" / "phantom-00003-000-t2f.nii.gz").unlink()
    return root


@pytest.fixture(scope="module")
def parser(folder):
    return load_config("train.yaml", {"dataset_dir": folder, "roi_size": [16, 20, 24]})


@pytest.fixture
def make(folder, parser):
    """Make a data set with the transforms of the config, mixing included."""

    def make(**settings):
        data = settings.pop("data", None) or labelled_cases(folder)
        load, crop = (parser.get_parsed_content(f"{part}_transforms") for part in ("load", "crop"))
        mix = (
            []
            if any(isinstance(part, RandLesionMixd) for part in crop)
            else [RandLesionMixd(["image", "label"])]
        )
        return CachedCases(data, Compose([*load, *mix, *crop]), **{"seed": 3, **settings})

    return make


def epoch_of(dataset, epoch=0, loader=None):
    dataset.set_epoch(epoch)
    return [sample for (sample,) in dataset] if loader is None else list(loader)


def same(one, two):
    """Whether samples or batches agree in everything, bit by bit."""
    if isinstance(one, torch.Tensor):
        affines = not isinstance(one, MetaTensor) or same(
            plain_tensor(one.affine), plain_tensor(two.affine)
        )
        return (
            affines and type(one) is type(two) and torch.equal(plain_tensor(one), plain_tensor(two))
        )
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


def test_the_same_seed_repeats_and_another_differs(make):
    assert same(epoch_of(make()), epoch_of(make()))
    assert not same(epoch_of(make()), epoch_of(make(seed=4)))


def test_epochs_differ_and_come_again(make):
    dataset = make()
    first, second, again = (epoch_of(dataset, epoch) for epoch in (0, 1, 0))
    assert same(first, again)
    assert not any(map(same, first, second))


def test_cases_do_not_share_their_draws(folder, make):
    case = labelled_cases(folder)[0]
    (one,), (two,) = make(data=[case, case])
    assert not same(one, two)


def test_a_resumed_run_sees_what_an_uninterrupted_one_sees_in_any_order(make):
    uninterrupted = make()
    expected = [epoch_of(uninterrupted, epoch) for epoch in range(3)][2]
    resumed = make()
    resumed.set_epoch(2)
    assert same({index: resumed[index][0] for index in (2, 0, 1)}, dict(enumerate(expected)))


@pytest.mark.parametrize(
    ("loader_class", "persistent"),
    [
        (DataLoader, False),
        pytest.param(DataLoader, True, marks=pytest.mark.slow),
        pytest.param(TorchLoader, False, marks=pytest.mark.slow),
        pytest.param(TorchLoader, True, marks=pytest.mark.slow),
    ],
)
def test_batches_do_not_depend_on_the_number_of_workers(make, loader_class, persistent):
    """Although MONAI's loader seeds the transforms of each worker itself."""
    batches = []
    for num_workers in (0, 1, 2):
        dataset = make(mixing_share=0.5)
        options = {} if loader_class is DataLoader else {"collate_fn": flat}
        loader = loader_class(
            dataset,
            batch_size=1,
            num_workers=num_workers,
            persistent_workers=persistent and num_workers > 0,
            **options,
        )
        batches.append([epoch_of(dataset, epoch, loader) for epoch in (0, 1)])
    assert same(batches[0], batches[1])
    assert same(batches[0], batches[2])
    assert not same(*batches[0])


def flat(samples):
    return [part for sample in samples for part in sample]


def test_a_data_set_can_be_sent_to_a_worker_that_is_started_afresh(make, tmp_path):
    dataset = make(cache_dir=tmp_path)
    assert same(epoch_of(pickle.loads(pickle.dumps(dataset)), 1), epoch_of(dataset, 1))


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_rate": 0.0},
        {"cache_rate": 0.5},
        {"cache_rate": 0.0, "cache_dir": "cache"},
        {"cache_rate": 0.5, "cache_dir": "cache"},
        {"cache_dir": "cache", "num_workers": 2},
        {"cache_rate": 0.0, "cache_dir": "cache", "max_cache_gb": 0.0},
    ],
    ids=str,
)
def test_caches_change_nothing_in_the_samples(make, tmp_path, settings):
    if "cache_dir" in settings:
        settings = {**settings, "cache_dir": tmp_path / settings["cache_dir"]}
    expected = epoch_of(make(mixing_share=0.5))
    for _ in ("computed", "read"):
        assert same(epoch_of(make(mixing_share=0.5, **settings)), expected)


def test_samples_from_memory_and_from_disk_go_into_one_batch(make, tmp_path):
    make(cache_dir=tmp_path)
    dataset = make(cache_rate=0.5, cache_dir=tmp_path)
    (batch,) = DataLoader(dataset, batch_size=N_CASES)
    assert batch["image"].shape == (N_CASES, 4, 16, 20, 24)


def test_a_cached_case_is_not_changed_by_what_is_done_to_its_samples(folder):
    dataset = CachedCases(labelled_cases(folder), LoadCased(with_label=True), seed=1)
    dataset[0]["image"].fill_(7)
    assert not (dataset[0]["image"] == 7).any()


class CountingLoader(LoadCased):
    n_loaded = 0

    def __call__(self, data):
        CountingLoader.n_loaded += 1
        return super().__call__(data)


def test_a_case_is_preprocessed_once_over_two_runs(folder, tmp_path):
    for _ in range(2):
        parts = [CountingLoader(with_label=True), RandGaussianNoised("image", prob=1)]
        dataset = CachedCases(labelled_cases(folder), parts, cache_rate=0.0, cache_dir=tmp_path)
        for epoch in range(2):
            dataset.set_epoch(epoch)
            assert len(list(dataset)) == N_CASES
    assert CountingLoader.n_loaded == N_CASES


def test_a_renamed_folder_finds_its_cases_again(folder, make, tmp_path):
    make(cache_dir=tmp_path / "cache")
    before = sorted((tmp_path / "cache").iterdir())
    moved = shutil.copytree(folder, tmp_path / "moved")
    make(data=labelled_cases(moved), cache_dir=tmp_path / "cache")
    assert sorted((tmp_path / "cache").iterdir()) == before
    assert len(before) == N_CASES


def test_a_changed_file_is_preprocessed_anew(folder, make, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    before = epoch_of(make(data=labelled_cases(moved), cache_dir=tmp_path / "cache"))
    one, two = (moved / f"phantom-0000{n}-000" / f"phantom-0000{n}-000-t1c.nii.gz" for n in (1, 2))
    shutil.copy(two, one)
    cases = labelled_cases(moved)
    after = epoch_of(make(data=cases[1:], cache_dir=tmp_path / "cache"))
    assert len(after) == len(before) - 1
    assert len(list((tmp_path / "cache").glob("*" + SUFFIX))) == N_CASES
    make(data=cases[:1], cache_dir=tmp_path / "cache", cache_rate=1.0)
    assert len(list((tmp_path / "cache").glob("*" + SUFFIX))) == N_CASES + 1


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("cached", [False, True], ids=["no folder", "cache folder"])
def test_a_failing_case_says_what_is_wrong_with_it(folder, make, tmp_path, num_workers, cached):
    moved = shutil.copytree(folder, tmp_path / "moved")
    cases = labelled_cases(moved)
    cases[1]["label"].unlink()
    cases[0]["label"].write_bytes(b"damaged")
    dataset = make(data=cases, cache_rate=0.0, cache_dir=tmp_path / "cache" if cached else None)
    for index, code in ((0, "E_"), (1, "E_MISSING")):
        found = find_user_error(failure(dataset, sampler=[index], num_workers=num_workers))
        assert found.code.startswith(code)
        assert cases[index]["case_id"] in str(found)


def test_a_failing_case_that_belongs_in_memory_fails_before_training_starts(folder, make, tmp_path):
    cases = labelled_cases(shutil.copytree(folder, tmp_path / "moved"))
    cases[2]["label"].unlink()
    with pytest.raises(RuntimeError) as caught:
        make(data=cases, num_workers=2)
    assert find_user_error(caught.value).code == "E_MISSING"


class Peek(RandGaussianNoised):
    """A random transform that leaves the sample alone, so that what reaches the random transforms
    can be seen.
    """

    def __call__(self, data):
        return dict(data)


class NoteDonor(RandLesionMixd):
    """A mixer that only tells who the donor is."""

    def __call__(self, data):
        return data.get(DONOR, {}).get("case_id")


def donors(share, n_epochs, names="abc"):
    """List, for every case, who its donor is in each epoch, or None."""
    dataset = CachedCases(
        [{"case_id": name} for name in names],
        [Identityd("case_id"), NoteDonor()],
        mixing_share=share,
    )
    found = []
    for epoch in range(n_epochs):
        dataset.set_epoch(epoch)
        found.append(list(dataset))
    return list(zip(*found, strict=True))


def test_donors_are_other_cases_each_as_often_as_the_share_says():
    for name, found in zip("abc", donors(0.4, 300), strict=True):
        others = [other for other in "abc" if other != name]
        assert set(found) == {None, *others}
        assert all(abs(found.count(other) / 300 - 0.2) < 0.1 for other in others)


def test_without_mixing_there_is_no_donor():
    assert set(donors(0.0, 30)) == {(None,) * 30}


def test_a_case_that_is_alone_has_no_donor():
    assert donors(1.0, 5, names="a") == [(None,) * 5]


def test_mixing_changes_samples_and_drops_the_donor(make):
    alone, together = epoch_of(make()), epoch_of(make(mixing_share=1.0))
    assert all(DONOR not in sample for sample in together)
    assert not same(alone, together)
    assert same(alone, epoch_of(make(mixing_share=0.0)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cache_rate": 1.5}, "cache_rate must be between 0 and 1; got 1.5"),
        ({"mixing_share": -0.1}, "mixing_share must be between 0 and 1; got -0.1"),
        ({"mixing_share": 0.1}, "mixing_share must be 0 where no transform mixes; got 0.1"),
        ({"max_cache_gb": -1}, "max_cache_gb must be 0 or more; got -1"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
        ({"cache_rate": float("nan")}, "cache_rate must be between 0 and 1; got nan"),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(folder, settings, message):
    with pytest.raises(UsageError, match=message.replace(".", r"\.")) as caught:
        CachedCases(labelled_cases(folder), [LoadCased(), Peek("image")], **settings)
    assert caught.value.code == "E_SETTING"


def test_transforms_that_draw_from_shared_generators_repeat_too_and_disturb_nobody(folder):
    def jitter(image):
        return image + torch.rand(()) + np.random.rand()  # noqa: NPY002 the shared one is meant

    dataset = CachedCases(
        labelled_cases(folder), [LoadCased(), Peek("image"), Lambdad("image", jitter)]
    )
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one, two = dataset[0], dataset[0]
    assert torch.equal(torch.rand(3), expected)
    dataset.set_epoch(1)
    assert same(one["image"], two["image"])
    assert not same(one["image"], dataset[0]["image"])


def test_slices_and_negative_numbers_mean_what_they_mean_in_a_list(make):
    dataset = make()
    assert same(dataset[-1], dataset[N_CASES - 1])
    assert same(list(dataset[1:]), [dataset[1], dataset[2]])
    with pytest.raises(IndexError):
        dataset[N_CASES]
