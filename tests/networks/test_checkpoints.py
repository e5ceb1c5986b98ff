import errno
import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from bundle.errors import OutputError, SetupError, UserError
from bundle.modalities import MODALITIES
from bundle.networks.checkpoints import export_weights, file_sha256, load_experts, load_verified
from bundle.networks.dmome import DMoME
from bundle.networks.gate import GateCNN
from bundle.networks.mixers import LogitMixer
from bundle.regions import REGIONS


def build() -> DMoME:
    """A network like ``tiny_network``, with weights of its own."""
    experts = {modality: nn.Conv3d(1, len(REGIONS), kernel_size=3, padding=1) for modality in MODALITIES}
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
    """Give the message of the refusal; the network must stay as it was."""
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
    assert {path.name for path in exported.parent.iterdir()} == {"mixture.pt", "model.pt", "model.pt.sha256"}
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


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"], ids=["missing", "empty", "blank", "binary"])
def test_weights_without_a_readable_checksum_are_refused(exported, content):
    sidecar = exported.with_name("model.pt.sha256")
    sidecar.unlink()
    if content is not None:
        sidecar.write_bytes(content)
    assert refused(exported) == "E_WEIGHTS_CHECKSUM"


def test_missing_weights_are_named(tmp_path):
    assert refused(tmp_path / "nowhere.pt") == "E_WEIGHTS"


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"a": 1}, {0: torch.zeros(1)}, {}], ids=repr)
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
    for state in ({**whole, "extra": torch.zeros(1)}, {name: whole[name] for name in list(whole)[1:]}):
        torch.save(state, tmp_path / "model.pt")
        sign(tmp_path / "model.pt")
        assert refused(tmp_path / "model.pt") == "E_WEIGHTS"


def test_weights_of_another_shape_are_refused(tiny_network, tmp_path):
    torch.save({**tiny_network.state_dict(), "experts.t1n.bias": torch.zeros(4)}, tmp_path / "model.pt")
    sign(tmp_path / "model.pt")
    with pytest.raises(SetupError, match=r"experts\.t1n\.bias"):
        load_verified(build(), tmp_path / "model.pt")


def test_stage_two_takes_the_experts_and_nothing_else(tiny_network, tmp_path):
    torch.save(tiny_network.state_dict(), tmp_path / "experts.pt")
    network = build()
    gate = {name: value.clone() for name, value in network.gate.state_dict().items()}
    loaded = load_experts(network, tmp_path / "experts.pt")
    for modality in MODALITIES:
        assert torch.equal(loaded.experts[modality].weight, tiny_network.experts[modality].weight)
    assert all(torch.equal(value, gate[name]) for name, value in loaded.gate.state_dict().items())


def test_experts_of_other_modalities_are_refused(tiny_network, tmp_path):
    state = {name.replace("experts.t2f", "experts.pet"): value for name, value in tiny_network.state_dict().items()}
    torch.save(state, tmp_path / "experts.pt")
    with pytest.raises(SetupError, match=r"experts\.(pet|t2f)"):
        load_experts(build(), tmp_path / "experts.pt")


def test_experts_of_another_shape_are_refused(tiny_network, tmp_path):
    torch.save({**tiny_network.state_dict(), "experts.t1n.bias": torch.zeros(4)}, tmp_path / "experts.pt")
    with pytest.raises(SetupError, match=r"experts\.t1n\.bias"):
        load_experts(build(), tmp_path / "experts.pt")


def test_missing_experts_say_which_stage_comes_first(tmp_path):
    with pytest.raises(SetupError, match="stage 1"):
        load_experts(build(), tmp_path / "experts.pt")


def test_an_export_into_a_missing_folder_is_refused(exported):
    with pytest.raises(OutputError) as caught:
        export_weights(build(), exported.with_name("mixture.pt"), exported.parent / "nowhere" / "model.pt")
    assert caught.value.exit_code == 74


def test_a_failed_export_leaves_what_was_there_before(exported, monkeypatch):
    before = {path.name: path.read_bytes() for path in exported.parent.iterdir() if path.name != "mixture.pt"}
    torch.save(build().state_dict(), exported.with_name("mixture.pt"))

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        export_weights(build(), exported.with_name("mixture.pt"), exported)
    after = {path.name: path.read_bytes() for path in exported.parent.iterdir() if path.name != "mixture.pt"}
    assert after == before


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
