import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import nn

from bundle.errors import OutputError, SetupError, UserError
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import LogitMixer
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.gate import GateCNN
from bundle.weights.checkpoints import (
    export_weights,
    file_sha256,
    initial_weights,
    load_verified,
)
from tests.mixture.networks import feature_mixture, mixture

MODALITIES = DEFAULT_TASK.modality_names
REGIONS = DEFAULT_TASK.region_names


def build() -> DMoME:
    """A network like ``tiny_network``, with weights of its own."""
    experts = {
        modality: nn.Conv3d(1, len(REGIONS), kernel_size=3, padding=1) for modality in MODALITIES
    }
    return DMoME(experts, GateCNN(len(MODALITIES), len(REGIONS)), LogitMixer())


def sign(path: Path) -> None:
    """Put the right checksum beside a file, whatever it holds."""
    path.with_name(path.name + ".sha256").write_text(f"{file_sha256(path)}  {path.name}\n")


class SharedSkip(nn.Module):
    """Holds one layer under two names, as MONAI's DynUNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(100, 100)
        self.skip = self.down


class MakesAFolder:
    """Pickled, it makes a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.mkdir, (self.path,))


@pytest.fixture
def exported(tiny_network, tmp_path) -> Path:
    torch.save(tiny_network.state_dict(), tmp_path / "mixture.pt")
    export_weights(build(), tmp_path / "mixture.pt", tmp_path / "model.pt")
    return tmp_path / "model.pt"


def refused(path: Path) -> str:
    """Return the message of the refusal; the network must stay as it was."""
    network = build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(SetupError) as caught:
        load_verified(network, path)
    assert caught.value.exit_code == 78
    assert str(path) in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return caught.value.code


def test_weights_come_back_as_their_half_precision_values(exported, tiny_network):
    loaded = load_verified(build(), exported).state_dict()
    for name, value in tiny_network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], value.half().float()), name


def test_loaded_weights_are_ready_for_evaluation(exported):
    assert not load_verified(build().train(), exported).training


def test_the_checksum_is_in_the_format_of_sha256sum(exported):
    digest = hashlib.sha256(exported.read_bytes()).hexdigest()
    assert exported.with_name("model.pt.sha256").read_text() == f"{digest}  model.pt\n"
    assert file_sha256(exported) == digest


def test_export_leaves_two_files_and_halves_the_size(exported):
    assert {path.name for path in exported.parent.iterdir()} == {
        "mixture.pt",
        "model.pt",
        "model.pt.sha256",
    }
    state = torch.load(exported, weights_only=True)
    assert {value.dtype for value in state.values()} == {torch.float16}


def test_a_tensor_under_two_names_is_stored_once(tmp_path):
    torch.save(SharedSkip().state_dict(), tmp_path / "checkpoint.pt")
    export_weights(SharedSkip(), tmp_path / "checkpoint.pt", tmp_path / "model.pt")
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert state["down.weight"].data_ptr() == state["skip.weight"].data_ptr()
    assert (tmp_path / "model.pt").stat().st_size < 1.5 * 2 * 100 * 100


def test_a_changed_byte_is_refused(exported):
    content = bytearray(exported.read_bytes())
    content[len(content) // 2] ^= 1
    exported.write_bytes(content)
    assert refused(exported) == "E_WEIGHTS_CHECKSUM"


def test_a_truncated_file_is_refused(exported):
    exported.write_bytes(exported.read_bytes()[:1000])
    assert refused(exported) == "E_WEIGHTS_CHECKSUM"
    sign(exported)
    assert refused(exported) == "E_WEIGHTS"


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe"], ids=["missing", "empty", "blank", "binary"]
)
def test_weights_without_a_readable_checksum_are_refused(exported, content):
    sidecar = exported.with_name("model.pt.sha256")
    sidecar.unlink()
    if content is not None:
        sidecar.write_bytes(content)
    assert refused(exported) == "E_WEIGHTS_CHECKSUM"


def test_missing_weights_are_named(tmp_path):
    assert refused(tmp_path / "nowhere.pt") == "E_WEIGHTS"


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [1, 2], {"a": 1}, {0: torch.zeros(1)}, {}], ids=repr
)
def test_a_file_that_is_no_state_dict_of_the_network_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "model.pt")
    sign(tmp_path / "model.pt")
    assert refused(tmp_path / "model.pt") == "E_WEIGHTS"


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    torch.save({"gate": MakesAFolder(tmp_path / "made")}, tmp_path / "model.pt")
    sign(tmp_path / "model.pt")
    assert refused(tmp_path / "model.pt") == "E_WEIGHTS"
    assert not (tmp_path / "made").exists()


def test_weights_with_a_name_more_or_less_are_refused(tiny_network, tmp_path):
    whole = tiny_network.state_dict()
    for state in (
        {**whole, "extra": torch.zeros(1)},
        {name: whole[name] for name in list(whole)[1:]},
    ):
        torch.save(state, tmp_path / "model.pt")
        sign(tmp_path / "model.pt")
        assert refused(tmp_path / "model.pt") == "E_WEIGHTS"


def test_weights_of_another_shape_are_refused(tiny_network, tmp_path):
    torch.save(
        {**tiny_network.state_dict(), "experts.t1n.bias": torch.zeros(4)}, tmp_path / "model.pt"
    )
    sign(tmp_path / "model.pt")
    with pytest.raises(SetupError, match=r"experts\.t1n\.bias"):
        load_verified(build(), tmp_path / "model.pt")


def test_experts_of_other_modalities_are_refused(tiny_network, tmp_path):
    state = {f"experts.{name}": value for name, value in tiny_network.experts.state_dict().items()}
    renamed = {name.replace("t2f", "pet"): value for name, value in state.items()}
    torch.save(renamed, tmp_path / "experts.pt")
    refused_start(tmp_path / "experts.pt", r"got no t2f in .*experts\.pt")
    torch.save({**state, **renamed}, tmp_path / "experts.pt")
    refused_start(tmp_path / "experts.pt", r"got pet in .*experts\.pt")


def test_experts_of_another_shape_are_refused(tiny_network, tmp_path):
    torch.save(
        {**tiny_network.state_dict(), "experts.t1n.bias": torch.zeros(4)}, tmp_path / "experts.pt"
    )
    with pytest.raises(SetupError, match=r"experts\.t1n\.bias"):
        initial_weights(build(), tmp_path / "experts.pt")


def test_an_export_into_a_missing_folder_is_refused(exported):
    with pytest.raises(OutputError) as caught:
        export_weights(
            build(), exported.with_name("mixture.pt"), exported.parent / "nowhere" / "model.pt"
        )
    assert caught.value.exit_code == 74


def test_a_failed_export_leaves_what_was_there_before(exported, monkeypatch):
    before = {
        path.name: path.read_bytes()
        for path in exported.parent.iterdir()
        if path.name != "mixture.pt"
    }
    torch.save(build().state_dict(), exported.with_name("mixture.pt"))

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        export_weights(build(), exported.with_name("mixture.pt"), exported)
    after = {
        path.name: path.read_bytes()
        for path in exported.parent.iterdir()
        if path.name != "mixture.pt"
    }
    assert after == before


def test_a_planted_link_is_not_followed_by_what_is_written(tiny_network, tmp_path):
    (tmp_path / "victim").write_text("theirs")
    torch.save(tiny_network.state_dict(), tmp_path / "mixture.pt")
    for name in ("model.pt", "model.pt.sha256"):
        (tmp_path / f".{name}.{os.getpid()}").symlink_to(tmp_path / "victim")
        (tmp_path / name).symlink_to(tmp_path / "victim")
    export_weights(build(), tmp_path / "mixture.pt", tmp_path / "model.pt")
    assert (tmp_path / "victim").read_text() == "theirs"
    assert load_verified(build(), tmp_path / "model.pt")


def test_an_export_that_cannot_take_its_place_leaves_nothing_behind(tiny_network, tmp_path):
    torch.save(tiny_network.state_dict(), tmp_path / "mixture.pt")
    (tmp_path / "model.pt.sha256").mkdir()
    with pytest.raises(OutputError):
        export_weights(build(), tmp_path / "mixture.pt", tmp_path / "model.pt")
    assert {path.name for path in tmp_path.iterdir()} == {"mixture.pt", "model.pt.sha256"}


def test_a_checkpoint_of_another_network_is_not_exported(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "mixture.pt")
    with pytest.raises(UserError) as caught:
        export_weights(build(), tmp_path / "mixture.pt", tmp_path / "model.pt")
    assert caught.value.exit_code == 78
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.pt"]


def save_experts(network: nn.Module, path: Path, names: Iterable[str]) -> None:
    """Store some experts as stage 1 does."""
    starts = tuple(f"experts.{name}." for name in names)
    state = {name: value for name, value in network.state_dict().items() if name.startswith(starts)}
    torch.save(state, path)


def expert_names(path: Path) -> set[str]:
    return {name.split(".")[1] for name in torch.load(path, weights_only=True)}


@pytest.fixture
def halves(tiny_network, tmp_path) -> list[Path]:
    """Two files of two experts each."""
    files = [tmp_path / "first.pt", tmp_path / "second.pt"]
    for file, names in zip(files, (MODALITIES[:2], MODALITIES[2:]), strict=True):
        save_experts(tiny_network, file, names)
    return files


def refused_start(source: Path | list[Path], match: str) -> None:
    network = build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(SetupError, match=match):
        initial_weights(network, source)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_start_from_nothing_leaves_the_network_as_it_is_built():
    network = build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert initial_weights(network, None) is network
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("kind", [str, Path])
def test_a_start_from_a_whole_mixture_takes_all_of_it_in_any_precision(
    exported, tiny_network, kind
):
    loaded = initial_weights(build(), kind(exported)).state_dict()
    for name, value in tiny_network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], value.half().float())


def test_a_start_from_several_files_joins_their_experts_and_leaves_the_gate(halves, tiny_network):
    network = build()
    gate = {name: value.clone() for name, value in network.gate.state_dict().items()}
    loaded = initial_weights(network, [halves[0], str(halves[1])])
    for name, value in loaded.experts.state_dict().items():
        assert torch.equal(value, tiny_network.experts.state_dict()[name])
    assert all(torch.equal(value, gate[name]) for name, value in loaded.gate.state_dict().items())


def test_a_missing_expert_and_the_file_without_it_are_named(halves):
    refused_start(halves[0], r"got no t2w in .*first\.pt\. Name the files of all")


def test_an_expert_in_two_files_is_refused_and_both_are_named(halves, tiny_network, tmp_path):
    save_experts(tiny_network, tmp_path / "third.pt", ["t2f"])
    refused_start([*halves, tmp_path / "third.pt"], r"got t2f in .*second\.pt, .*third\.pt")


def test_experts_beside_a_whole_mixture_replace_those_of_the_same_name(
    halves, exported, tiny_network
):
    other = build()
    torch.save(other.state_dict(), exported.with_name("other.pt"))
    loaded = initial_weights(build(), [halves[1], exported.with_name("other.pt")]).state_dict()
    replaced = ("experts.t2w.", "experts.t2f.")
    for name, value in loaded.items():
        origin = tiny_network if name.startswith(replaced) else other
        assert torch.equal(value, origin.state_dict()[name]), name


def test_two_whole_mixtures_are_refused(halves, tiny_network, tmp_path):
    for name in ("a.pt", "b.pt"):
        torch.save(tiny_network.state_dict(), tmp_path / name)
    refused_start(
        [tmp_path / "a.pt", halves[0], tmp_path / "b.pt"], r"one may hold .* got .*a\.pt, .*b\.pt"
    )


def test_an_expert_twice_beside_a_whole_mixture_is_refused(halves, tiny_network, tmp_path):
    torch.save(tiny_network.state_dict(), tmp_path / "mixture.pt")
    save_experts(tiny_network, tmp_path / "third.pt", ["t2f"])
    refused_start(
        [tmp_path / "mixture.pt", halves[1], tmp_path / "third.pt"],
        r"got t2f in .*second\.pt, .*third\.pt\. Leave out",
    )


def test_a_start_from_a_missing_file_says_which_stage_comes_first(halves, tmp_path):
    refused_start([halves[0], tmp_path / "nowhere.pt"], r"no file .*nowhere\.pt. Run stage 1")


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_half_written_file_is_refused(halves, share):
    content = halves[1].read_bytes()
    halves[1].write_bytes(content[: int(share * len(content))])
    refused_start(halves, r"second\.pt must be a complete PyTorch state dict")


def test_a_file_of_full_length_with_a_hole_is_refused(tiny_network, tmp_path):
    """As a power failure leaves it: torch itself would read zeros."""
    torch.save(tiny_network.state_dict(), tmp_path / "mixture.pt")
    content = bytearray((tmp_path / "mixture.pt").read_bytes())
    weight = tiny_network.gate.linear.weight.detach().numpy().tobytes()
    place = bytes(content).index(weight)
    content[place : place + 512] = bytes(512)
    (tmp_path / "mixture.pt").write_bytes(content)
    assert torch.load(tmp_path / "mixture.pt", weights_only=True)["gate.linear.weight"].eq(0).any()
    refused_start(tmp_path / "mixture.pt", r"mixture\.pt must be a complete .* is damaged")


def test_experts_of_stage_one_start_the_mixture_of_features_without_their_output_layers(tmp_path):
    first, second = mixture(LogitMixer()), feature_mixture()
    save_experts(first, tmp_path / "experts.pt", MODALITIES)
    assert expert_names(tmp_path / "experts.pt") == set(MODALITIES)
    loaded = initial_weights(second, tmp_path / "experts.pt").experts.state_dict()
    assert all(
        torch.equal(value, first.experts.state_dict()[name]) for name, value in loaded.items()
    )
    assert not any("output_block" in name for name in loaded)


@pytest.mark.parametrize("layer", ["output_block", "input_block"])
def test_no_other_layer_may_be_left_out_nor_an_output_layer_that_the_network_has(tmp_path, layer):
    network = mixture(LogitMixer())
    state = {
        name: value for name, value in network.state_dict().items() if name.startswith("experts.")
    }
    torch.save(
        {name: value for name, value in state.items() if f".{layer}." not in name},
        tmp_path / "experts.pt",
    )
    with pytest.raises(SetupError, match=layer):
        initial_weights(network, tmp_path / "experts.pt")


def test_an_unknown_layer_of_an_expert_is_not_left_out(tmp_path):
    state = {
        name: value
        for name, value in mixture(LogitMixer()).state_dict().items()
        if name.startswith("experts.")
    }
    torch.save({**state, "experts.t1c.extra.weight": torch.zeros(1)}, tmp_path / "experts.pt")
    with pytest.raises(SetupError, match=r"experts\.t1c\.extra\.weight"):
        initial_weights(feature_mixture(), tmp_path / "experts.pt")
