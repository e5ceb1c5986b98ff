"""What leaving out small islands of a segmentation does to its Dice.

    simmlm segment cases -o out
    python -m tests.benchmarks.small_islands cases out

For each region and limit in ml: islands (26 neighbours) that are smaller are left out, but for the
largest of a case. Cases need labels; regions that the truth does not have are left out. Prints a
Markdown table.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from bundle.cases.case_loader import LoadCased
from bundle.datasets.labelled_cases import labelled_cases
from bundle.evaluation.region_pair import RegionPair
from bundle.tasks.default import DEFAULT_TASK
from bundle.tensors import plain_tensor
from bundle.volumes.geometry import spacing_mm

LIMITS_ML = (0, 0.1, 0.3, 1, 3, 10)
EVERY_NEIGHBOUR = np.ones((3, 3, 3))


def main() -> None:
    """Compare segmentations with the truth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, help="labelled cases")
    parser.add_argument("results", type=Path, help="folder of simmlm segment on them")
    options = parser.parse_args()
    truth, own = (
        LoadCased(with_label=True, label_convention=numbering)
        for numbering in ("auto", DEFAULT_TASK.default_numbering.name)
    )
    names = DEFAULT_TASK.region_names
    scores: dict[tuple[str, float], list[float]] = {}
    for case in labelled_cases(options.cases):
        name = case["case_id"]
        made = {**case, "label": options.results / name / f"{name}_seg.nii.gz"}
        label_image = truth(case)["label"]
        voxel_ml = np.prod(spacing_mm(label_image.affine.numpy())) / 1000
        expected = plain_tensor(label_image).bool().numpy()
        found = plain_tensor(own(made)["label"]).bool().numpy()
        for region, theirs, ours in zip(names, expected, found, strict=True):
            for limit in LIMITS_ML if theirs.any() else ():
                pair = RegionPair(
                    without_islands(ours, limit / voxel_ml), theirs, spacing_mm=(1, 1, 1)
                )
                scores.setdefault((region, limit), []).append(100 * pair.dice())
    print("| smaller than, ml |", " | ".join(f"{name}, Dice in %" for name in names), "|")
    print("| --- |", " ---: |" * len(names))
    for limit in LIMITS_ML:
        means = [f"{np.mean(scores[name, limit]):.1f}" for name in names]
        print(f"| {limit:g} |", " | ".join(means), "|")


def without_islands(region: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Leave out islands of fewer voxels, but for the largest."""
    islands, _ = label(region, EVERY_NEIGHBOUR)
    sizes = np.bincount(islands.ravel())
    sizes[0] = 0
    kept = (sizes >= least) | (sizes == sizes.max())
    kept[0] = False
    return kept[islands]


if __name__ == "__main__":
    main()
