import numpy as np
import pytest

from bundle.classification.avmnist.preparing import prepare_avmnist
from bundle.errors import CaseError, OutputError, UsageError
from tests.classification.avmnist.digit_data import (
    SMALL,
    real_mnist,
    reference,
    tone,
    unpacked_recordings,
    write_fsdd,
    write_mnist,
    write_wav,
)


@pytest.fixture
def sources(tmp_path):
    return write_mnist(tmp_path / "mnist"), write_fsdd(tmp_path / "fsdd")


def test_a_file_has_all_arrays_of_both_parts(sources, tmp_path):
    path = prepare_avmnist(*sources, tmp_path / "pairs.npz", pairing=SMALL)
    with np.load(path) as file:
        shapes = {name: (values.shape, values.dtype.kind) for name, values in file.items()}
        assert file["train_image"][:, 0, 0].tolist() == file["train_image_id"].tolist()
    for part, n in (("train", 40), ("test", 20)):
        assert shapes[f"{part}_image"] == ((n, 28, 28), "u")
        for kind in ("audio", "audio_20frames", "audio_1s"):
            assert shapes[f"{part}_{kind}"] == ((n, 20, 20), "f")
        assert shapes[f"{part}_label"] == ((n,), "u")
        assert shapes[f"{part}_image_id"] == ((n,), "i")
        assert shapes[f"{part}_recording"] == ((n,), "U")
    assert len(shapes) == 14


def test_the_same_files_give_the_same_bytes(sources, tmp_path):
    first = prepare_avmnist(*sources, tmp_path / "first.npz", pairing=SMALL)
    second = prepare_avmnist(*sources, tmp_path / "second.npz", pairing=SMALL)
    assert first.read_bytes() == second.read_bytes()


def test_a_recording_that_cannot_be_read_leaves_an_older_file_as_it_was(sources, tmp_path):
    out = tmp_path / "pairs.npz"
    out.write_bytes(b"older")
    write_wav(sources[1] / "recordings" / "4_ada_1.wav", tone(), rate=16000)
    with pytest.raises(CaseError, match=r"4_ada_1\.wav"):
        prepare_avmnist(*sources, out, pairing=SMALL)
    assert out.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_speakers_that_are_not_there_are_named(sources, tmp_path):
    with pytest.raises(UsageError, match="0 of jackson, 0 of nicolas, 0 of theo"):
        prepare_avmnist(*sources, tmp_path / "pairs.npz", pairing=type(SMALL)(n_training=4))


def test_a_folder_that_is_not_there_is_refused(sources, tmp_path):
    with pytest.raises(OutputError, match="the folder does not exist"):
        prepare_avmnist(*sources, tmp_path / "no" / "pairs.npz", pairing=SMALL)


def test_the_file_of_the_public_data_equals_the_reference(shared_data, tmp_path):
    mnist, fsdd = real_mnist(), unpacked_recordings(shared_data, tmp_path / "fsdd")
    made = prepare_avmnist(mnist, fsdd, tmp_path / "pairs.npz")
    with np.load(made) as found, np.load(reference(shared_data)) as expected:
        assert set(found) == set(expected)
        for name in found:
            assert found[name].dtype == expected[name].dtype
            if "audio" in name:
                np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=5e-4)
            else:
                np.testing.assert_array_equal(found[name], expected[name])
