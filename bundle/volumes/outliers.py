"""Finds voxels so far from all others that they are no signal, but a flipped bit or a number that
wrapped around.

One such voxel stretches the mean and the standard deviation by which a scan is normalised, and so
changes all others.
"""

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError

Voxels = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Outliers lie beyond a gap of twice of what all other voxels span. The widest gap in 60 real scans,
# with vessels and contrast agent, was 0.14 of it; nearer voxels, such as a bright object, move the
# normalisation little.
MIN_GAP = 2.0

MAX_MENDED_SHARE = 1e-3
MIN_MENDED = 3  # of volumes so small that a thousandth is less than a voxel
MAX_SHARE = 0.05  # more than that are a part of the scan

_SAMPLE_SIZE = 500_000


def mend_outliers(data: Voxels) -> tuple[str, ...]:
    """Replace a few outliers by the median of their neighbours, in place.

    Args:
        data: (H, W, D), finite, 0 outside of the brain.

    Returns:
        A warning, if there were any.

    Raises:
        CaseError: E_OUTLIERS, there are more than can be replaced.
    """
    outliers = _outliers(data)
    if outliers is None:
        return ()
    n_outliers = int(np.count_nonzero(outliers))
    found = f"{_counted(n_outliers)} {_span(data[outliers])}, all others {_span(data[~outliers])}"
    if n_outliers > max(MAX_MENDED_SHARE * np.count_nonzero(data), MIN_MENDED):
        raise CaseError(
            "E_OUTLIERS",
            f"voxels must not lie far outside of all others; got {found}. Numbers have wrapped"
            " around or the file is damaged: export the scan again, as float32 or after clipping"
            " negative values to 0.",
        )
    _replace(data, outliers)
    return (f"{found}: no signal, replaced by the median of the neighbours",)


def _outliers(data: Voxels) -> Mask | None:
    """Voxels beyond a gap that nothing in a scan explains, above or below all others.

    None if there are none.
    """
    flat = data.ravel(order="K")
    sample = flat[:: flat.size // _SAMPLE_SIZE + 1]
    signal = sample[sample != 0]
    if not signal.size:
        return None
    low, high = (
        float(value) for value in np.percentile(signal, (100 * MAX_SHARE, 100 * (1 - MAX_SHARE)))
    )
    reach = MIN_GAP * (high - low)  # closer than this no gap is wide enough
    found = [_above_gap(data, low, high + reach)] if data.max() > high + reach else []
    found += [_above_gap(-data, -high, reach - low)] if data.min() < low - reach else []
    outliers = np.logical_or.reduce(found) if found else None
    return outliers if outliers is not None and outliers.any() else None


def _above_gap(data: Voxels, low: float, bound: float) -> Mask:
    """Voxels above the lowest gap beyond a bound that is as wide as `MIN_GAP` of the span from
    `low` to it.
    """
    above = data > bound
    below = data.max(where=~above, initial=-np.inf)
    steps = np.concatenate([[below], np.sort(data[above])]).astype(np.float64)
    gaps = np.flatnonzero(np.diff(steps) >= MIN_GAP * (steps[:-1] - low))
    n_above = len(steps) - 1 - gaps[0] if len(gaps) else 0
    if not 0 < n_above <= MAX_SHARE * np.count_nonzero(data):
        return np.zeros_like(above)
    return data > steps[gaps[0]]


def _counted(n_voxels: int) -> str:
    return "1 voxel is" if n_voxels == 1 else f"{n_voxels} voxels are"


def _span(values: Voxels) -> str:
    lowest, highest = float(values.min()), float(values.max())
    return f"{lowest:g}" if lowest == highest else f"between {lowest:g} and {highest:g}"


def _replace(data: Voxels, outliers: Mask) -> None:
    places = np.argwhere(outliers)
    usable = (data != 0) & ~outliers
    values = []
    for place in places:
        around = tuple(slice(max(0, index - 1), index + 2) for index in place)
        near = data[around][usable[around]]
        values.append(np.median(near) if near.size else np.float32(0))
    data[tuple(places.T)] = values
