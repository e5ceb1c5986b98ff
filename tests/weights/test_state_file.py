import errno

import pytest
import torch

from bundle.errors import OutputError, SetupError
from bundle.weights.state_file import load_state, read_weights, save_state

STATE = {
    "epoch": 3,
    "parts": {"network": {"w": torch.linspace(-1, 1, 11), "n": torch.tensor(7)}},
    "text": "a",
}


@pytest.fixture
def stored(tmp_path):
    save_state(STATE, tmp_path / "experts.state")
    return tmp_path / "experts.state"


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert (one["epoch"], one["text"]) == (other["epoch"], other["text"])
    first, second = (state["parts"]["network"] for state in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in ("w", "n"))


def test_what_was_stored_is_loaded(stored):
    assert_equal(load_state(stored), STATE)


@pytest.mark.parametrize("bit", [0, 6])
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(stored, bit):
    sound = stored.read_bytes()
    refused = 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << bit
        stored.write_bytes(damaged)
        try:
            state = load_state(stored)
        except SetupError as error:
            assert error.code == "E_STATE"  # noqa: PT017
            refused += 1
        else:
            assert_equal(state, STATE)
    assert refused > len(sound) / 3


@pytest.mark.parametrize("reader", [load_state, read_weights])
def test_a_flipped_bit_in_a_tensor_is_refused_by_all_that_read_tensors(tmp_path, reader):
    save_state({"w": torch.full((50,), 1.5)}, tmp_path / "experts.pt")
    content = bytearray((tmp_path / "experts.pt").read_bytes())
    content[content.index(torch.tensor(1.5).numpy().tobytes() * 2) + 3] ^= 0x40
    (tmp_path / "experts.pt").write_bytes(content)
    with pytest.raises(SetupError, match="damaged"):
        reader(tmp_path / "experts.pt")


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_truncated_state_is_refused_with_the_way_out(stored, share):
    content = stored.read_bytes()
    stored.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SetupError, match=r"Delete experts\.state and experts\.pt.*--start-from"):
        load_state(stored)


def test_a_full_disk_is_named_and_the_older_state_stays(stored, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_state({"epoch": 4}, stored)
    monkeypatch.undo()
    assert_equal(load_state(stored), STATE)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "got: a list"),
        ({0: torch.zeros(1)}, "got: a dict"),
        ({"a": torch.zeros(1), "b": "text"}, "got: other things than tensors"),
    ],
    ids=["list", "numbers for names", "text"],
)
def test_a_file_that_holds_no_weights_is_refused_in_one_sentence(tmp_path, content, words):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(SetupError, match=words) as caught:
        read_weights(tmp_path / "w.pt")
    assert caught.value.code == "E_WEIGHTS"
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_by_both_readers_with_their_own_way_out(tmp_path):
    for reader, code, way_out in (
        (load_state, "E_STATE", "--start-from"),
        (read_weights, "E_WEIGHTS", "Copy or train them again"),
    ):
        with pytest.raises(SetupError, match=way_out) as caught:
            reader(tmp_path / "none.pt")
        assert caught.value.code == code
        assert "No such file" in str(caught.value)
