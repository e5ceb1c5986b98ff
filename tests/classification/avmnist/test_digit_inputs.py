import numpy as np
import pytest
import torch
from PIL import Image

from bundle.classification.avmnist.avmnist_file import read_avmnist
from bundle.classification.avmnist.digit_inputs import read_digit, read_picture
from bundle.classification.avmnist.drawn_digits import draw_image
from bundle.classification.avmnist.preparing import prepare_avmnist
from bundle.errors import CaseError, UsageError
from tests.classification.avmnist.digit_data import SMALL, tone, write_fsdd, write_mnist, write_wav

GREY = np.arange(784, dtype=np.uint32).reshape(28, 28).astype(np.uint8)
DIGIT = draw_image(7, np.random.default_rng(0))


@pytest.mark.parametrize("audio", ["smil", "20frames", "1s"])
def test_single_files_give_what_training_saw(tmp_path, audio):
    mnist, fsdd = write_mnist(tmp_path / "mnist"), write_fsdd(tmp_path / "fsdd")
    cases = read_avmnist(
        prepare_avmnist(mnist, fsdd, tmp_path / "a.npz", pairing=SMALL), "test", audio
    )
    number = int(cases.case_ids[3].split("-")[-1])  # everywhere of that brightness
    Image.fromarray(np.full((28, 28), number, np.uint8)).save(tmp_path / "a.png")
    files = {"image": tmp_path / "a.png", "audio": fsdd / "recordings" / "1_bo_0.wav"}
    inputs = read_digit(files, audio=audio)
    for name, values in cases.read([3]).items():
        assert torch.equal(inputs[name], values)


@pytest.mark.parametrize("there", ["image", "audio"])
def test_a_modality_without_a_file_is_0(tmp_path, there):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    files = {"image": tmp_path / "a.png", "audio": write_wav(tmp_path / "a.wav", tone())}
    inputs = read_digit({there: files[there]})
    assert {name for name, values in inputs.items() if values.any()} == {there}
    assert (inputs["image"].shape, inputs["audio"].shape) == ((1, 1, 28, 28), (1, 1, 20, 20))


def test_a_case_without_files_is_refused():
    with pytest.raises(UsageError, match="got none"):
        read_digit({})


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("ending", ["png", "ppm", "bmp"])
def test_a_grey_picture_is_read_whatever_its_format(tmp_path, mode, ending):
    if (mode, ending) == ("RGBA", "ppm"):
        pytest.skip("the format has no transparency")
    Image.fromarray(GREY).convert(mode).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read_picture(tmp_path / f"a.{ending}"), GREY)


def coloured() -> Image.Image:
    return Image.fromarray(np.stack([GREY, GREY, 255 - GREY], axis=-1))


@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (Image.fromarray(GREY).resize((27, 28)), "27 x 28"),
        (Image.fromarray(GREY).resize((280, 280)), "280 x 280"),
        (Image.fromarray(GREY).convert("I;16"), "I;16"),
        (coloured(), "colours"),
    ],
    ids=["narrow", "large", "16 bits", "colours"],
)
def test_a_picture_of_another_kind_is_refused_with_the_command_that_converts_it(
    tmp_path, picture, got
):
    picture.save(tmp_path / "a.png")
    with pytest.raises(CaseError, match=f"got .*{got}.*-resize 28x28!") as caught:
        read_picture(tmp_path / "a.png")
    assert (caught.value.code, str(tmp_path) in str(caught.value)) == ("E_PICTURE", True)


def test_damaged_missing_and_other_files_are_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:400])
    (tmp_path / "text.png").write_text("404: not found")
    codes = []
    for name in ("cut.png", "text.png", "missing.png"):
        with pytest.raises(CaseError, match=name) as caught:
            read_picture(tmp_path / name)
        codes.append(caught.value.code)
    assert codes == ["E_UNREADABLE", "E_PICTURE", "E_UNREADABLE"]


def test_transparent_pixels_whose_colour_nobody_sees_are_refused(tmp_path):
    Image.new("RGBA", (28, 28), (9, 9, 9, 0)).save(tmp_path / "a.png")
    with pytest.raises(CaseError, match="got transparent pixels"):
        read_picture(tmp_path / "a.png")


def test_16_bits_which_libraries_cut_differently_are_refused(tmp_path):
    Image.fromarray(np.full((28, 28), 3000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(CaseError, match="I;16"):
        read_picture(tmp_path / "a.png")


def test_ink_on_paper_is_refused_with_the_way_to_turn_it(tmp_path):
    Image.fromarray(255 - DIGIT).save(tmp_path / "a.png")
    with pytest.raises(CaseError, match="-negate"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.pgm"])
def test_a_picture_that_is_cut_or_changed_anywhere_is_read_or_refused(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(DIGIT).save(path)
    content = path.read_bytes()
    n_refused = 0
    for place in range(0, len(content), 3):
        changed = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        for broken in (content[:place], changed):
            path.write_bytes(broken)
            try:
                read_picture(path)
            except CaseError:
                n_refused += 1
    assert n_refused > len(content) // 10
