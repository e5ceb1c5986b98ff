"""Finds what is outside of the brain in a volume whose background is not exactly 0, and makes it 0.

Everything else takes 0 for "outside": the crop, the normalisation, the maps. A background of -1024,
of a z-score's minimum, of 0.002 from an integer header, or of what interpolation leaves around a
mask would count as brain. It is recognised on the faces of the volume, where a brain hardly
reaches, and only if it cannot be anything else.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

Voxels = NDArray[np.float32]
Mask = NDArray[np.bool_]

# A brain in its bounding box touches less than half of the faces.
MIN_FACE_SHARE = 0.5

# A value that so many voxels of the faces share exactly is no tissue; in 17 real skull-stripped
# cases only 0 was.
MIN_PLATEAU_SHARE = 0.05
MAX_PLATEAUS = 3

# Relative to the signal. All but one of 60 real skull-stripped scans had at most 0.06 % of their
# voxels below the first of these limits; the noise of the air around an unstripped head is above
# the second.
RINGING = 0.005
MAX_NOISE = 0.05
MAX_QUIET_SHARE = 0.05

_SAYS = "the background is"
_NOISE_SIGMAS = 8.0
_SIGMA_PER_MAD = 1.4826
_SIGNAL_PERCENTILE = 99.5  # a brain fills more than half a percent of any volume
_SAMPLE_SIZE = 500_000


def clear_background(data: Voxels) -> tuple[str, ...]:
    """Set the background to 0 where it is certain, in place; a background of 0 stays as it is.

    Intensities of the brain may be shifted by a constant, which the normalisation takes out again.

    Args:
        data: (H, W, D), finite.

    Returns:
        Warnings that say what was done.
    """
    warnings = _clear_plateaus(data)
    return warnings + _clear_noise(data)


def is_of_background(warning: str) -> bool:
    """Whether a warning is one of `clear_background`'s."""
    return warning.startswith(_SAYS)


def faces(volume: NDArray) -> NDArray:
    """Voxels of the six faces of a volume (H, W, D), as (N,)."""
    views = [np.moveaxis(volume, axis, 0) for axis in range(3)]
    return np.concatenate([view[index].ravel() for view in views for index in (0, -1)])


def connected_to_faces(mask: Mask) -> Mask:
    """Keep those parts of a mask (H, W, D) that reach a face of the volume."""
    parts, _ = label(mask)
    touching = np.unique(faces(parts))
    return np.isin(parts, touching[touching > 0])


def _clear_plateaus(data: Voxels) -> tuple[str, ...]:
    """Make a background of one value, or of a few such as air and padding, 0."""
    values = _plateaus(faces(data), _sample(data))
    if values in ([], [0]):
        return ()
    shift = np.float32(0 if 0 in values else values[0])  # then no voxel of the brain becomes 0
    data -= shift
    for value in np.array(values, np.float32) - shift:
        data[data == value] = 0
    in_words = " and ".join(f"{value:g}" for value in values)
    return (f"{_SAYS} {in_words} instead of 0: taken for outside of the brain",)


def _plateaus(face: Voxels, sample: Voxels) -> list[float]:
    """Values that together make up most of the faces, the commonest first.

    None if most of the faces hold signal.
    """
    values, counts = np.unique(face, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MAX_PLATEAUS]
    common = [index for index in order if counts[index] >= MIN_PLATEAU_SHARE * face.size]
    rest = sample[~np.isin(sample, values[common])]
    # Besides the commonest only dark ones: bright tissue may be saturated.
    chosen = [
        index
        for n, index in enumerate(common)
        if n == 0 or not rest.size or values[index] <= np.median(rest)
    ]
    if counts[chosen].sum() < MIN_FACE_SHARE * face.size:
        return []
    return [float(values[index]) for index in chosen]


def _clear_noise(data: Voxels) -> tuple[str, ...]:
    """Make a background of almost one value exactly 0: noise, or what a spline left around
    a mask.
    """
    face, sample = faces(data), _sample(data)
    centre = np.median(face)
    limit = _noise_limit(face - centre, sample - centre)
    quiet = np.abs(sample - centre) <= limit
    n_quiet, n_signal = np.count_nonzero(quiet & (sample != 0)), np.count_nonzero(~quiet)
    if (
        n_quiet <= MAX_QUIET_SHARE * n_signal
        or np.mean(np.abs(face - centre) <= limit) < MIN_FACE_SHARE
    ):
        return ()
    data -= centre
    data[connected_to_faces(np.abs(data) <= limit)] = 0
    return (
        (
            f"{_SAYS} not 0 but varies by up to {limit:.3g} around {centre:.3g}, as"
            " interpolation or noise leave it: set to 0. The network knows only skull-stripped"
            " brains; if the head still has its skull, strip it first"
        ),
    )


def _noise_limit(face: Voxels, sample: Voxels) -> float:
    """Farthest from the background's median that is still background.

    -1 where signal cannot be told from noise.
    """
    signal = float(np.percentile(np.abs(sample), _SIGNAL_PERCENTILE))
    sigma = _SIGMA_PER_MAD * float(np.median(np.abs(face)))
    limit = max(RINGING * signal, _NOISE_SIGMAS * sigma)
    return limit if limit <= MAX_NOISE * signal else -1.0


def _sample(data: Voxels) -> Voxels:
    flat = data.ravel(order="K")
    return flat[:: flat.size // _SAMPLE_SIZE + 1]
