import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bundle
from bundle.errors import SetupError
from bundle.volume_networks.spacing import spacing_in
from bundle.weights.averages import average_weights
from bundle.weights.checkpoints import verified_sha256
from bundle.weights.state_file import read_weights, save_state

SCRIPT = Path(bundle.__file__).resolve().parents[1] / "models" / "average_weights.py"


def stored(path, weight, steps=3):
    weight = torch.tensor(weight)
    save_state({"a": weight, "again": weight, "steps": torch.tensor(steps)}, path)
    return path


def test_the_mean_is_in_half_precision_and_has_a_checksum(tmp_path):
    sources = [stored(tmp_path / "1.pt", [1.0, 2.0]), stored(tmp_path / "2.pt", [2.0, -4.0])]
    average_weights(sources, tmp_path / "mean.pt")
    mean = read_weights(tmp_path / "mean.pt")
    assert mean["a"].tolist() == [1.5, -1.0]
    assert mean["a"].dtype == torch.float16
    assert int(mean["steps"]) == 3
    verified_sha256(tmp_path / "mean.pt")


def test_a_tensor_of_two_names_is_stored_once(tmp_path):
    sources = [stored(tmp_path / "1.pt", [1.0, 2.0]), stored(tmp_path / "2.pt", [2.0, -4.0])]
    average_weights(sources, tmp_path / "mean.pt")
    mean = read_weights(tmp_path / "mean.pt")
    assert mean["a"].data_ptr() == mean["again"].data_ptr()


def test_weights_from_before_are_of_1_mm_and_are_not_averaged_with_those_of_others(tmp_path):
    sources = [stored(tmp_path / "1.pt", [1.0, 2.0]), stored(tmp_path / "2.pt", [2.0, -4.0])]
    for spacing in (1.0, 2.0):
        save_state({**read_weights(sources[1]), "spacing": torch.tensor(spacing)}, sources[1])
        if spacing == 1:
            average_weights(sources, tmp_path / "mean.pt")
            assert spacing_in(read_weights(tmp_path / "mean.pt")) == 1
        else:
            with pytest.raises(SetupError, match="one network and spacing"):
                average_weights(sources, tmp_path / "mean2.pt")


def test_weights_of_other_networks_are_refused(tmp_path):
    sources = [stored(tmp_path / "1.pt", [1.0, 2.0]), stored(tmp_path / "2.pt", [2.0, 1.0, 0.0])]
    with pytest.raises(SetupError, match=r"of one network and spacing; got others in .*2\.pt"):
        average_weights(sources, tmp_path / "mean.pt")
    assert not (tmp_path / "mean.pt").exists()


@pytest.mark.slow
def test_the_script_says_in_one_sentence_what_it_cannot_read(tmp_path):
    command = [sys.executable, SCRIPT, tmp_path / "none.pt", "--out", tmp_path / "mean.pt"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("E_WEIGHTS: The weights")
    assert run.stderr.count("\n") == 1
