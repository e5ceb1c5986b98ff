"""How well a segmentation overlaps with the truth."""

import numpy as np
import torch
from monai.metrics import compute_dice
from numpy.typing import NDArray

from bundle.regions import REGIONS, labels_to_regions


def region_dice(predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """Compute the Dice of each region.

    Args:
        predicted: (H, W, D) labels, values of ``regions.LABEL_NAMES``.
        truth: (H, W, D) labels, on the same grid.

    Returns:
        Region to Dice in [0, 1]. NaN where the truth has no such region: there Dice says only whether
        the prediction is empty too, and is left out of means.

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"prediction and truth must have one shape; got {predicted.shape} and {truth.shape}.")
    ours, theirs = (torch.from_numpy(labels_to_regions(label))[None] for label in (predicted, truth))
    dice = compute_dice(ours, theirs, include_background=True, ignore_empty=True)[0]
    return {region: float(value) for region, value in zip(REGIONS, dice, strict=True)}
