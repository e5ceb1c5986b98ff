"""Draws a cohort of phantoms and photographs its pages for docs/images.

    python -m tests.outputs.report.screenshots docs/images

What was "found" in them is their truth, a little frayed: no network is asked.
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from bundle.outputs.report.index_page import write_index
from bundle.tasks.default import DEFAULT_TASK
from tests.browser.chromium import visit
from tests.outputs.report.drawn_results import drawn_images, write_result
from tests.outputs.report.test_index_page import write_rows

FULL = DEFAULT_TASK.modality_names
CASES = (
    ("BraTS-GLI-00101-000", FULL), ("BraTS-GLI-00101-001", FULL), ("BraTS-GLI-00102-000", ("t1c", "t2f")),
    ("BraTS-GLI-00103-000", ("t1n", "t2w", "t2f")), ("BraTS-GLI-00103-001", FULL), ("BraTS-GLI-00104-000", FULL),
    ("BraTS-GLI-00105-000", ("t2f",)), ("BraTS-GLI-00106-000", FULL),
)  # fmt: skip
FAILED = (
    "BraTS-GLI-00107-000", "failed",
    "E_CRC: BraTS-GLI-00107-000, t2f: the gzip stream must be undamaged; got incorrect data check. Its"
    " voxels cannot be trusted: copy or download the file again.",
)  # fmt: skip
SHOWN, FIRST_SEED, SHAPE, WIDTH = "BraTS-GLI-00103-000", 46, (120, 144, 110), 860


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    target = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "glioma-cohort"
        for index, (case_id, modalities) in enumerate(CASES):
            files = drawn_images(Path(folder) / str(index), FIRST_SEED + index, SHAPE)
            write_result(out, files, case_id, modalities=modalities, report=True)
        write_rows(out, FAILED, *((case_id, "ok", "") for case_id, _ in CASES))
        index_page = write_index(out, DEFAULT_TASK)
        page = out / SHOWN / f"{SHOWN}_report.html"
        photograph(page, target / "report_case.png", "viewer", "1265,2640")
        photograph(index_page, target / "report_index.png", "list", "1265,2000")


def photograph(page: Path, picture: Path, what: str, size: str) -> None:
    """Write what a window of a size shows, smaller and with fewer colours: for a page of docs."""
    ready = {"wait": f"document.body.dataset.{what} === 'ready'"}
    visit(
        page,
        {"size": size, "flags": ["--hide-scrollbars"]},
        ready,
        {"pause": 1500, "shot": str(picture)},
    )
    image = Image.open(picture).convert("RGB")
    height = round(image.height * WIDTH / image.width)
    small = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(palette=palette_of(small), dither=Image.Dither.NONE).save(picture, optimize=True)


def palette_of(image: Image.Image) -> Image.Image:
    """Choose greys, and colours that count however rare they are: those of labels."""
    rare = image.quantize(160, method=Image.Quantize.MAXCOVERAGE).getpalette()[: 3 * 160]
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for level in range(0, 256, 3) for _ in range(3)] + rare)
    return palette


if __name__ == "__main__":
    main()
