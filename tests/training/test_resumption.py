import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from bundle.errors import OutputError, SetupError, UsageError
from bundle.training.resumption import TrainingState, case_ids


def trainer(network: nn.Linear, seen: list[int]) -> Engine:
    """Add 1 to the weight in each step, and note the steps."""

    def step(engine: Engine, _batch: None) -> None:
        nn.init.constant_(network.weight, network.weight.item() + 1)
        seen.append(engine.state.iteration)

    return Engine(step)


def run(
    path, max_epochs: int, network: nn.Linear | None = None, **settings: object
) -> tuple[nn.Linear, list[int]]:
    network, seen = network or nn.Linear(1, 1, bias=False), []
    nn.init.constant_(network.weight, 0.0)
    engine = trainer(network, seen)
    TrainingState(path, {"network": network}, settings).attach(engine)
    engine.run([None, None], max_epochs=max_epochs)
    return network, seen


def test_a_second_run_goes_on_after_the_last_finished_epoch(tmp_path):
    run(tmp_path / "s", 2)
    network, seen = run(tmp_path / "s", 5)
    assert seen == [5, 6, 7, 8, 9, 10]
    assert network.weight.item() == 10.0


def test_the_folder_of_a_run_is_there_before_its_first_step(tmp_path):
    network, there = nn.Linear(1, 1, bias=False), []
    engine = Engine(lambda *_: there.append((tmp_path / "new" / "run").is_dir()))
    TrainingState(tmp_path / "new" / "run" / "s", {"network": network}, {}).attach(engine)
    engine.run([None])
    assert there == [True]


def test_a_folder_that_cannot_be_made_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        run(tmp_path / "file" / "run" / "s", 1)


def test_cases_without_a_name_are_told_apart_by_their_images():
    assert case_ids([{"case_id": "a", "image": "x"}, {"image": "/store/b-t1c.nii.gz"}]) == (
        "a",
        "/store/b-t1c.nii.gz",
    )


def test_a_finished_training_is_not_repeated(tmp_path):
    run(tmp_path / "s", 3)
    network, seen = run(tmp_path / "s", 3)
    assert seen == []
    assert network.weight.item() == 6.0


def test_an_epoch_that_was_not_finished_is_repeated(tmp_path):
    network, seen = nn.Linear(1, 1, bias=False), []
    nn.init.constant_(network.weight, 0.0)
    engine = trainer(network, seen)
    TrainingState(tmp_path / "s", {"network": network}, {}).attach(engine)

    @engine.on(Events.ITERATION_COMPLETED(once=3))
    def _die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run([None, None], max_epochs=2)
    network, seen = run(tmp_path / "s", 2)
    assert seen == [3, 4]
    assert network.weight.item() == 4.0


def test_other_settings_are_refused_by_name_with_both_values(tmp_path):
    run(tmp_path / "s", 1, seed=1, cases=("a", "b"))
    with pytest.raises(UsageError, match=r"seed 1 \(now 2\)"):
        run(tmp_path / "s", 1, seed=2, cases=("a", "b"))


def test_the_state_of_another_network_is_refused(tmp_path):
    run(tmp_path / "s", 1)
    with pytest.raises(SetupError, match="same network"):
        run(tmp_path / "s", 1, nn.Linear(1, 1))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(SetupError, match="checkpoint"):
        run(tmp_path / "s", 1)


def test_a_torn_file_is_never_taken_for_a_state(tmp_path):
    run(tmp_path / "s", 1)
    whole = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SetupError, match="checkpoint"):
        run(tmp_path / "s", 1)


def test_a_state_holds_no_code(tmp_path):
    run(tmp_path / "s", 1, folder=tmp_path)
    assert torch.load(tmp_path / "s", weights_only=True)["epoch"] == 1
