"""What all pictures share: how they are written, and text that their font can show."""

import io
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from bundle.files.atomic_file import appearing_at_once


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG with its own resolution, whole or not at all.

    The same figure gives the same bytes.

    Raises:
        OutputError: E_WRITE, nothing is left behind.
    """
    with appearing_at_once(path) as file:
        FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]


def figure_bytes(figure: Figure, dpi: int, kind: str = "png", **options: Any) -> bytes:
    """Return a figure as the bytes of a picture, for pages that hold their pictures.

    Args:
        figure: of any size.
        dpi: pixels per inch.
        kind: ``png`` or ``jpeg``.
        options: of the encoder.
    """
    stream = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(
        stream, dpi=dpi, format=kind, facecolor=figure.get_facecolor(), pil_kwargs=options
    )
    return stream.getvalue()


def printable(text: str, length: int) -> str:
    """Replace what the font lacks, which would be a warning for each letter, and shorten what would
    be clipped.
    """
    glyphs = get_font(findfont("DejaVu Sans")).get_charmap()
    shown = "".join(
        letter if letter.isprintable() and ord(letter) in glyphs else "?" for letter in text
    )
    return shown if len(shown) <= length else f"{shown[:length]}…"
