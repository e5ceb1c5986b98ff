"""Which stages run, with which experts, from which weights, under which overlays."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

import bundle
from bundle.config_files import OVERLAY_FOLDERS
from bundle.errors import SetupError, UsageError
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.stages import train
from tests.conftest import TINY_EXPERT

MODALITIES = DEFAULT_TASK.modality_names

ROOT = Path(bundle.__file__).resolve().parents[1]
OVERLAYS = sorted(
    path.stem for folder in OVERLAY_FOLDERS for path in (ROOT / "configs" / folder).glob("*.yaml")
)
TINY = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "batch_size": 2,
    "num_workers": 0,
    "epochs": 2,
    "val_interval": 1,
    "device_name": "cpu",
    "amp": False,
}
NARROW = "filters: [4, 4, 4, 4, 4, 4]\n"


def load(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return state


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    """Four cases, of which one has no t1c."""
    folder = tmp_path_factory.mktemp("cases")
    paths = write_phantoms(folder, n_cases=4, seed=41, shape=(40, 48, 36))
    next(paths[0].glob("*-t1c.nii.gz")).unlink()
    return folder


@pytest.fixture(scope="module")
def together(cases, tmp_path_factory) -> Path:
    """All four experts, trained in one run."""
    out = tmp_path_factory.mktemp("together")
    assert train(cases, out, TINY, experts=MODALITIES) == out / "experts.pt"
    return out


@pytest.fixture(scope="module")
def apart(cases, tmp_path_factory) -> tuple[Path, Path]:
    """One expert in one run, the three others in another."""
    folder = tmp_path_factory.mktemp("apart")
    train(cases, folder / "one", TINY, experts=["t1c"])
    train(cases, folder / "three", TINY, experts=["t2f", "t1n", "t2w"])
    return folder / "one" / "experts.pt", folder / "three" / "experts.pt"


@pytest.mark.slow
def test_an_expert_trained_alone_has_the_weights_that_it_has_among_the_others(together, apart):
    """Also with a case that it cannot see: there is no exchange, not even through the order of the
    crops.
    """
    everything = load(together / "experts.pt")
    parts = [load(path) for path in apart]
    assert parts[0].keys() | parts[1].keys() == everything.keys()
    assert not parts[0].keys() & parts[1].keys()
    assert all(
        torch.equal(value, everything[name]) for part in parts for name, value in part.items()
    )


@pytest.mark.slow
def test_a_file_of_experts_holds_nothing_but_the_trained_ones(apart):
    assert {name.split(".")[1] for name in load(apart[0])} == {"t1c"}


@pytest.mark.slow
def test_experts_of_several_runs_are_joined(cases, apart, together, tmp_path):
    joined = train(cases, tmp_path / "joined", TINY, start_from=apart)
    usual = train(cases, tmp_path / "usual", TINY, start_from=[together / "experts.pt"])
    assert joined is not None
    assert usual is not None
    first, second = load(joined), load(usual)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (tmp_path / "joined" / "experts.pt").exists()


@pytest.mark.slow
def test_missing_experts_are_named(cases, apart, tmp_path):
    with pytest.raises(SetupError, match=r"t1n.*t2w.*t2f"):
        train(cases, tmp_path, TINY, start_from=apart[:1])


@pytest.mark.slow
def test_an_expert_in_two_files_is_named(cases, apart, tmp_path):
    again = shutil.copy(apart[0], tmp_path / "again.pt")
    with pytest.raises(SetupError, match="t1c"):
        train(cases, tmp_path / "out", TINY, start_from=[*apart, again])


@pytest.mark.slow
def test_a_trained_mixture_can_be_trained_further(cases, together, tmp_path):
    model = train(cases, tmp_path / "first", TINY, start_from=[together / "experts.pt"])
    assert model is not None
    further = train(
        cases,
        tmp_path / "second",
        {**TINY, "learning_rate": 0.0, "weight_decay": 0.0},
        start_from=[model],
    )
    assert further is not None
    first, second = load(model), load(further)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_mixture_learns_from_whole_cases(cases, together, tmp_path):
    whole = {**TINY, "roi_size": "whole", "batch_size": 1, "amp": True}
    model = train(cases, tmp_path, whole, start_from=[together / "experts.pt"])
    assert model is not None
    before, after = load(together / "experts.pt"), load(model)
    changed = [name for name in before if not torch.equal(before[name], after[name].float())]
    assert len(changed) == len(before)


@pytest.mark.slow
def test_settings_can_be_of_one_stage(cases, tmp_path):
    values = {**TINY, "experts.epochs": 1, "mixture.epochs": 3, "mixture.val_interval": 3}
    train(cases, tmp_path, values)
    lines = {
        stage: (tmp_path / f"{stage}.csv").read_text().count("\n") - 1
        for stage in ("experts", "mixture")
    }
    assert lines == {"experts": 1, "mixture": 3}


def test_an_unknown_overlay_is_refused_with_the_known_ones(cases, tmp_path):
    with pytest.raises(UsageError, match="static_averaging"):
        train(cases, tmp_path, TINY, overlays=["statc"])


@pytest.fixture(scope="module")
def ablated(cases, tmp_path_factory) -> Callable[[str], Path]:
    """Train an ablation or a peer with the usual command, once, and give its folder.

    With one case to train and one to validate.
    """
    two = tmp_path_factory.mktemp("two")
    for case in sorted(cases.iterdir())[-2:]:
        (two / case.name).symlink_to(case)

    @cache
    def run(name: str) -> Path:
        out = tmp_path_factory.mktemp(name)
        (out / "narrow.yaml").write_text(NARROW)
        values = {key: value for key, value in TINY.items() if key != "expert"}
        values |= {"epochs": 1, "batch_size": 1}
        train(two, out, values, overlays=[name, str(out / "narrow.yaml")])
        return out

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", OVERLAYS)
def test_every_ablation_and_every_peer_trains_with_the_same_command(name, ablated):
    assert all(value.isfinite().all() for value in load(ablated(name) / "model.pt").values())
    assert (ablated(name) / "experts.pt").exists() == (
        name not in ("without_pretraining", "early_fusion", "shaspec")
    )


@pytest.mark.slow
def test_what_an_overlay_changes_is_what_is_trained(ablated):
    """The same experts, mixed in other ways, become other weights; one network for all channels has
    other names.
    """
    plain, static, early = (
        load(ablated(name) / "model.pt")
        for name in ("without_mofe", "static_averaging", "early_fusion")
    )
    assert plain.keys() == static.keys()
    assert any(not torch.equal(plain[name], static[name]) for name in plain)
    assert early.keys() & plain.keys() == {"spacing"}
