import zipfile

import numpy as np
import pytest
import torch

from bundle.classification.avmnist.avmnist_file import read_avmnist
from bundle.classification.avmnist.digit_inputs import IMAGE_DEVIATION, IMAGE_MEAN
from bundle.classification.avmnist.preparing import prepare_avmnist
from bundle.errors import CaseError, UsageError
from tests.classification.avmnist.digit_data import SMALL, reference, write_fsdd, write_mnist


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Forty training and twenty test pairs."""
    folder = tmp_path_factory.mktemp("pairs")
    mnist, fsdd = write_mnist(folder / "mnist"), write_fsdd(folder / "fsdd")
    return prepare_avmnist(mnist, fsdd, folder / "pairs.npz", pairing=SMALL)


@pytest.fixture
def changed(pairs, tmp_path):
    """Write the pairs with some arrays changed; None leaves one out."""

    def write(**arrays):
        with np.load(pairs) as file:
            content = {**file, **arrays}
        kept = {name: values for name, values in content.items() if values is not None}
        np.savez(tmp_path / "changed.npz", **kept)
        return tmp_path / "changed.npz"

    return write


@pytest.mark.parametrize(("part", "n"), [("training", 40), ("test", 20)])
@pytest.mark.parametrize("audio", ["smil", "20frames", "1s"])
def test_cases_have_both_modalities_and_a_class(pairs, part, n, audio):
    cases = read_avmnist(pairs, part, audio)
    assert (cases.modalities, len(cases.classes)) == (("image", "audio"), 10)
    assert cases.labels.tolist() == [digit for digit in range(10) for _ in range(n // 10)]
    assert cases.labels.dtype == torch.int64
    assert cases.presence.tolist() == [[True, True]] * n
    inputs = cases.read(range(n))
    assert inputs["image"].shape == (n, 1, 28, 28)
    assert inputs["audio"].shape == (n, 1, 20, 20)
    assert {values.dtype for values in inputs.values()} == {torch.float32}


def test_case_ids_are_distinct_and_name_part_class_and_number(pairs):
    cases = read_avmnist(pairs, "training")
    assert cases.case_ids[:5] == (
        "training-0-0",
        "training-0-10",
        "training-0-20",
        "training-0-30",
        "training-1-1",
    )
    assert len(set(cases.case_ids)) == 40


def test_pixels_are_scaled_by_constants_that_do_not_depend_on_the_file(pairs):
    image = read_avmnist(pairs, "training").read([1])["image"] * IMAGE_DEVIATION + IMAGE_MEAN
    torch.testing.assert_close(image, torch.full((1, 1, 28, 28), 10 / 255))


def test_each_kind_of_sound_is_its_own(pairs):
    sounds = [
        read_avmnist(pairs, "test", kind).read([0])["audio"] for kind in ("smil", "20frames", "1s")
    ]
    assert not any(torch.equal(sounds[i], sounds[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize(
    ("part", "audio"), [("train", "smil"), ("validation", "smil"), ("test", "2s"), ("test", "")]
)
def test_an_unknown_part_or_kind_is_refused_with_those_that_are_known(pairs, part, audio):
    with pytest.raises(UsageError, match="training or test and audio one of smil, 20frames, 1s"):
        read_avmnist(pairs, part, audio)


NAN = np.full((40, 20, 20), np.nan, np.float32)
BAD = {
    "no-labels": ({"train_label": None}, "train_label"),
    "no-sound": ({"train_audio": None}, "train_audio"),
    "no-recordings": ({"train_recording": None}, "train_recording"),
    "other-count": ({"train_image": np.zeros((39, 28, 28), np.uint8)}, r"\(39, 28, 28\)"),
    "other-shape": ({"train_image": np.zeros((40, 28, 27), np.uint8)}, r"\(40, 28, 27\)"),
    "other-type": ({"train_image": np.zeros((40, 28, 28), np.float32)}, "float32"),
    "nan": ({"train_audio": NAN}, "finite train_audio"),
    "class-10": ({"train_label": np.full(40, 10, np.uint8)}, "labels of 0 to 9"),
    "no-cases": (
        {
            "train_image": np.zeros((0, 28, 28), np.uint8),
            "train_audio": np.zeros((0, 20, 20), np.float32),
            "train_label": np.zeros(0, np.uint8),
            "train_image_id": np.zeros(0, np.int32),
            "train_recording": np.zeros(0, "U9"),
        },
        "or none",
    ),
    "image-twice": ({"train_image_id": np.zeros(40, np.int32)}, "each image once"),
    "numbers-for-names": ({"train_recording": np.zeros(40)}, "train_recording of .* text"),
    "labels-disagree": (
        {"train_recording": np.array(["7_theo_0.wav"] * 40)},
        "got: the label 0 with 7_theo_0.wav",
    ),
    "objects": ({"train_recording": np.array([{}] * 40, object)}, "got: objects"),
}


@pytest.mark.parametrize(("arrays", "words"), BAD.values(), ids=BAD)
def test_a_file_that_holds_something_else_is_refused_with_the_command_that_makes_it(
    changed, arrays, words
):
    path = changed(**arrays)
    with pytest.raises(CaseError, match=f"{words}.*simmlm prepare avmnist") as caught:
        read_avmnist(path, "training")
    assert caught.value.code == "E_ARRAYS"
    assert str(path) in str(caught.value)


def test_what_is_wrong_with_one_part_does_not_concern_the_other(changed):
    assert len(read_avmnist(changed(test_label=None), "training")) == 40


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "text", "array", "missing", "folder"])
def test_a_damaged_file_or_another_one_is_refused(pairs, tmp_path, how):
    path, content = tmp_path / "bad.npz", pairs.read_bytes()
    if how == "folder":
        path.mkdir()
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif how != "missing":
        middle = 3000  # within the first array
        flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
        path.write_bytes(
            {"cut": content[:-100], "flipped": flipped, "empty": b"", "text": b"404: no"}[how]
        )
    with pytest.raises(CaseError, match="npz") as caught:
        read_avmnist(path, "training")
    assert caught.value.code == "E_ARRAYS"
    assert "pickle" not in str(caught.value)


def test_the_reference_is_read_as_smil_split_it(shared_data):
    cases = read_avmnist(reference(shared_data), "training")
    assert torch.bincount(cases.labels).tolist() == [105] * 10
    assert cases.read(range(1050))["image"].std().item() == pytest.approx(1, abs=0.05)
    assert len(read_avmnist(reference(shared_data), "test")) == 450


def test_a_single_label_is_refused(changed):
    with pytest.raises(CaseError, match=r"train_image of \(1, 28, 28\)"):
        read_avmnist(changed(train_label=np.uint8(3)), "training")


def test_a_key_that_is_not_there_is_named_alone(changed):
    with pytest.raises(CaseError, match="must have train_image; got: nothing of that name"):
        read_avmnist(changed(train_image=None), "training")


def test_a_member_that_is_no_array_is_refused(changed):
    path = changed(train_image=None)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("train_image.npy", b"0 1 2")
    with pytest.raises(CaseError, match="must have an array train_image"):
        read_avmnist(path, "training")
