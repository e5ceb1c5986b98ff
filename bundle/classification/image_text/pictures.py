"""A picture's file to the pixels that networks read."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
"""Of the names of pictures, in lower case."""
MAX_PIXELS = 64 * 2**20
"""A picture of more is not decoded: a small file can claim any size."""
HALF_RANGE = 127.5


class BrokenPictureError(ValueError):
    """A file is no picture that can be decoded as a whole; the text says what it is."""


def decode_picture(path: Path, size: int) -> Tensor:
    """Decode the central square of a picture: upright, RGB, on white where it is transparent.

    Its shorter side becomes ``size`` pixels, by bilinear interpolation over the area that each
    new pixel covers; what then lies outside of the square is cut off on both ends alike. A picture
    of size x size pixels is left as it is.

    Args:
        path: a picture in one of `FORMATS`.
        size: S, pixels a side.

    Returns:
        (3, S, S) uint8.

    Raises:
        BrokenPictureError: it is missing, cut off, damaged, or of more than `MAX_PIXELS`.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image)
            image.draft("RGB", (2 * size, 2 * size))  # of a large JPEG no more than is needed
            upright = ImageOps.exif_transpose(image)
            square = ImageOps.fit(_on_white(upright), (size, size), Image.Resampling.BILINEAR)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds for what is no picture
        raise BrokenPictureError(_reason(error)) from None
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def scaled(pixels: Tensor) -> Tensor:
    """Bring pixels to what networks read: 0 to 255, uint8, becomes -1 to 1, float32.

    No pixel becomes 0, so that zeros always mean that a picture is not there.
    """
    return pixels.float() / HALF_RANGE - 1


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BrokenPictureError(f"{width} x {height} pixels, more than {MAX_PIXELS // 2**20} Mi")


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not a picture"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
