import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bundle.classification.image_text.pictures import BrokenPictureError, decode_picture, scaled

ORIENTATION = 0x0112
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def pixels_of(path: Path, size: int) -> np.ndarray:
    return decode_picture(path, size).permute(1, 2, 0).numpy()


def test_a_picture_of_the_size_is_left_as_it_is(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(COLOURS))
    assert np.array_equal(pixels_of(path, 6), COLOURS)


def test_the_central_square_is_cut_out(tmp_path):
    wide = np.zeros((6, 14, 3), np.uint8)
    wide[:, 4:10] = COLOURS
    path = saved(tmp_path / "a.png", Image.fromarray(wide))
    assert np.array_equal(pixels_of(path, 6), COLOURS)


def test_a_larger_picture_becomes_the_mean_of_the_pixels_that_a_new_one_covers(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (50, 50), (10, 20, 30)))
    assert pixels_of(path, 5).reshape(-1, 3).tolist() == [[10, 20, 30]] * 25


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_picture_taken_with_a_turned_camera_stands_upright(tmp_path, orientation, turns):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path / "a.png", Image.fromarray(COLOURS), exif=exif)
    assert np.array_equal(pixels_of(path, 6), np.rot90(COLOURS, turns))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_kind_of_pixels_becomes_three_colours(tmp_path, mode):
    ending = "tiff" if mode == "CMYK" else "png"
    path = saved(tmp_path / f"a.{ending}", Image.new(mode, (8, 8)))
    assert decode_picture(path, 8).shape == (3, 8, 8)


def test_what_is_transparent_is_white(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGBA", (8, 8), (200, 0, 0, 0)))
    assert (decode_picture(path, 8) == 255).all()


def test_zeros_are_no_picture():
    every = torch.arange(256, dtype=torch.uint8)
    found = scaled(every)
    assert found.dtype == torch.float32
    assert (found.min(), found.max()) == (-1, 1)
    assert (found != 0).all()


def jpeg() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def bomb(width: int) -> bytes:
    """Return a PNG file that claims to be of any width."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"<html>404</html>", "not a picture"),
        (jpeg()[:1500], "truncated"),
        (jpeg()[:30], "."),
        (bomb(9000), "9000 x 9000 pixels, more than 64 Mi"),
        (bomb(30_000), "pixels"),
        (bomb(300), "."),
    ],
    ids=["empty", "page", "cut", "head", "large", "bomb", "short"],
)
def test_a_file_that_is_no_whole_picture_is_broken(tmp_path, content, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BrokenPictureError, match=reason):
        decode_picture(path, 16)


def test_a_file_that_is_not_there_and_a_folder_are_broken(tmp_path):
    with pytest.raises(BrokenPictureError, match="no such file"):
        decode_picture(tmp_path / "a.jpg", 16)
    with pytest.raises(BrokenPictureError, match="directory"):
        decode_picture(tmp_path, 16)
