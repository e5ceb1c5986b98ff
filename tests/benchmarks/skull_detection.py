"""How often a brain is taken for a head, and a head for a brain.

    python -m tests.benchmarks.skull_detection [--brains FOLDER ...] [--heads FOLDER ...]

Folders hold cases in folders of their own: ``--brains`` of skull-stripped ones, ``--heads`` of ones
as acquired. Each scan is judged whole and in parts: tight, slabs, without its top or its sides,
half; a head also with noise and without a face. Around each eleventh brain heads are drawn: bright,
suppressed and missing fat, marrow, thin bone, noise, and more. Without a folder a drawn brain stands
for the real ones. The last line is JSON: misjudged and judged scans, and the nearest to the limit.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from scipy.ndimage import uniform_filter, zoom

from bundle.brains.skull import MAX_BRAIN_LITRES, MIN_DARK_SHARE, head_signs
from bundle.volumes.geometry import spacing_mm
from bundle.volumes.image_volume import Volume, read_volume
from tests.brains.drawn_heads import (
    SHELLS,
    Voxels,
    draw_head,
    partial_views,
    plain_brain,
    scan_of,
    with_noise,
)

MM = 2.0
DRAWN_AROUND = 11
"""Heads are drawn around each eleventh brain, since drawing takes long; contrasts alternate."""
ROWS = ("brain", "brain in part", "head", "head in part", "drawn head", "drawn head in part")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brains", nargs="*", type=Path, default=[])
    parser.add_argument("--heads", nargs="*", type=Path, default=[])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    judged = defaultdict(list)
    for kind, volume in scans(arguments, rng):
        judged[kind].append(head_signs(volume))
    report({kind: judged[kind] for kind in ROWS if judged[kind]})


def scans(arguments: argparse.Namespace, rng: np.random.Generator) -> Iterator[tuple[str, Volume]]:
    """Name and give each scan to judge."""
    brains = [path for folder in arguments.brains for path in images(folder)]
    for number, path in enumerate(brains):
        volume = read_volume(path, case_id="brain", modality=path.name)
        yield "brain", volume
        coarse = in_two_millimetres(volume)
        yield from parts("brain", coarse)
        if number % DRAWN_AROUND == 0 and coarse.min() >= 0:
            yield from drawn(coarse, rng)
    if not brains:
        yield from drawn(plain_brain(MM, rng), rng)
    for path in (path for folder in arguments.heads for path in images(folder)):
        volume = read_volume(path, case_id="head", modality=path.name)
        yield "head", volume
        coarse = in_two_millimetres(volume)
        yield from parts("head", coarse)
        for share in (0.02, 0.05, 0.1):
            sigma = share * np.percentile(coarse, 90)
            yield "head", scan_of(with_noise(coarse, sigma, rng), MM)
        coarse[:, coarse.shape[1] * 2 // 3 :, : coarse.shape[2] // 2] = 0
        yield "head", scan_of(coarse, MM)


def drawn(brain: Voxels, rng: np.random.Generator) -> Iterator[tuple[str, Volume]]:
    for shell in SHELLS.values():
        head = draw_head(brain, MM, shell, rng)
        yield "drawn head", scan_of(head, MM)
        yield from parts("drawn head", head)


def parts(kind: str, data: Voxels) -> Iterator[tuple[str, Volume]]:
    for _, view in partial_views(data, MM):
        yield f"{kind} in part", scan_of(view, MM)


def images(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*/*.nii.gz") if not path.name.endswith("seg.nii.gz")
    )


def in_two_millimetres(volume: Volume) -> Voxels:
    """Bring a scan to RAS and voxels of 2 mm."""
    turn = io_orientation(volume.grid.affine)
    factors = spacing_mm(volume.grid.affine)[np.argsort(turn[:, 0])] / MM
    data = apply_orientation(volume.data, turn)
    smooth = uniform_filter(data, [max(1, round(1 / factor)) for factor in factors])
    return zoom(smooth, factors, order=1, mode="nearest", grid_mode=True)


def report(judged: dict) -> None:
    facts = {}
    for kind, signs in judged.items():
        is_head = kind != "brain" and not kind.startswith("brain ")
        said = [s.litres > MAX_BRAIN_LITRES or s.dark_share > MIN_DARK_SHARE for s in signs]
        shares = [s.dark_share for s in signs]
        nearest = min(shares) if is_head else max(shares)
        n_wrong = sum(answer != is_head for answer in said)
        facts[kind] = {"wrong": n_wrong, "judged": len(signs), "nearest_dark_share": nearest}
        print(
            f"{kind}: {n_wrong} of {len(signs)} misjudged; dark share"
            f" {'at least' if is_head else 'at most'} {nearest:.3f} (limit {MIN_DARK_SHARE})"
        )
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
