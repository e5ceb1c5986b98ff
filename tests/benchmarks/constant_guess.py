"""Dice of a guess that is the same for every exam: all of the brain is the region.

    python -m tests.benchmarks.constant_guess CASES

What a network must be above. Regions that the truth does not have are left out; prints means over
cases, in %.
"""

import argparse
from pathlib import Path

import numpy as np

from bundle.cases.case_loader import LoadCased
from bundle.datasets.labelled_cases import labelled_cases
from bundle.evaluation.region_pair import RegionPair
from bundle.tasks.default import DEFAULT_TASK
from bundle.tensors import plain_tensor


def main() -> None:
    """Compare the brain with each region."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, help="labelled cases")
    load = LoadCased(with_label=True, label_convention="auto")
    scores: dict[str, list[float]] = {name: [] for name in DEFAULT_TASK.region_names}
    for case in labelled_cases(parser.parse_args().cases):
        loaded = load(case)
        brain = (plain_tensor(loaded["image"]) != 0).any(dim=0).numpy()
        truth = plain_tensor(loaded["label"]).bool().numpy()
        for name, region in zip(DEFAULT_TASK.region_names, truth, strict=True):
            if region.any():
                scores[name].append(100 * RegionPair(brain, region, spacing_mm=(1, 1, 1)).dice())
    print({name: round(float(np.mean(found)), 1) for name, found in scores.items()})


if __name__ == "__main__":
    main()
