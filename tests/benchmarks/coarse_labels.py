"""Tells what a label loses on a coarser grid: the Dice of labels that were pooled and brought back.

    python -m tests.benchmarks.coarse_labels /data/brats2021 [--spacing 2]

No network can be better than that at this spacing, but by luck. Prints a Markdown table.
"""

import argparse
from pathlib import Path

from monai.transforms import Compose, Orientationd

from bundle.cases.case_loader import LoadCased
from bundle.cases.preparation import ResampleTo1mmd
from bundle.datasets.labelled_cases import labelled_cases
from bundle.evaluation.region_pair import RegionPair
from bundle.tasks.default import DEFAULT_TASK
from bundle.tensors import plain_tensor
from bundle.volume_networks.pooling import pool_label, unpool


def main() -> None:
    """Print a row per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--spacing", type=int, default=2, help="mm")
    options = parser.parse_args()
    load = Compose(
        [
            LoadCased(with_label=True),
            Orientationd(["image", "label"], axcodes="RAS", labels=None),
            ResampleTo1mmd("label", mode="nearest"),
        ]
    )
    regions = DEFAULT_TASK.region_names
    print("| Dice, % |", " | ".join(regions), "|")
    print("| --- |", " --- |" * len(regions))
    for case in labelled_cases(options.data):
        label = plain_tensor(load(case)["label"]).float()
        pooled = pool_label(label, options.spacing)[None]
        back = unpool(pooled, options.spacing, label.shape[1:])[0] > 0.5
        pairs = zip(back.numpy(), label.bool().numpy(), strict=True)
        scores = [_percent(RegionPair(*pair, spacing_mm=(1, 1, 1))) for pair in pairs]
        print(f"| {case['case_id']} |", " | ".join(scores), "|")


def _percent(pair: RegionPair) -> str:
    return f"{100 * pair.dice():.1f}" if pair.n_true else "none in truth"


if __name__ == "__main__":
    main()
