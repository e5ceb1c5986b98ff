"""Turns tissues into images: what they give in each modality, and what a scanner adds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from bundle.phantoms.anatomy import Brain
from bundle.phantoms.lesion_kind import Painted
from bundle.phantoms.plan import PhantomPlan
from bundle.phantoms.shapes import Field, Grid, smooth_noise


def paint(
    grid: Grid,
    brain: Brain,
    confounders: Painted,
    lesions: Painted,
    plan: PhantomPlan,
    rng: np.random.Generator,
) -> Field:
    """Mix the signals of all tissues into images (M, H, W, D)."""
    signals = _drawn_signals(plan, rng)
    images = np.empty((len(signals["fluid"]), *brain.depth.shape), np.float32)
    for image, start in zip(images, signals["fluid"], strict=True):
        image[:] = start
    harmless = [(layer.tissue, share) for layer, share in confounders]
    for tissue, share in [*brain.layers, *harmless]:
        for image, value in zip(images, signals[tissue], strict=True):
            image += share * (np.float32(value) - image)
    for layer, share in lesions:
        for image, value in zip(images, signals[layer.tissue], strict=True):
            mottle = 1 + rng.uniform(*plan.mottle) * grid.noise(7, rng)
            image += share * (np.float32(value) * mottle - image)
    return images


def _drawn_signals(
    plan: PhantomPlan, rng: np.random.Generator
) -> Mapping[str, NDArray[np.float64]]:
    """Draw the signals of one case: tissue to one value per modality."""
    signals: dict[str, NDArray[np.float64]] = {}
    for tissue, values in plan.signals.items():
        signals[tissue] = np.array(list(values.values())) * rng.normal(1, plan.jitter, len(values))
    for tissue, ranges in plan.varied.items():
        modalities = list(plan.signals[tissue])
        for modality, ends in ranges.items():
            signals[tissue][modalities.index(modality)] *= rng.uniform(*ends)
    return signals


def acquire(
    images: Field, inside: NDArray[np.bool_], grid: Grid, rng: np.random.Generator
) -> list[NDArray[np.int16]]:
    """Add what a scanner adds: blur, coil shading, texture, Rician noise, arbitrary units."""
    scanned = []
    for image in images:
        blurred = gaussian_filter(image, 0.45)
        if rng.uniform() < 0.4:  # thick slices, resampled
            blurred = gaussian_filter1d(blurred, rng.uniform(0.5, 1.8) * grid.scale, axis=2)
        blurred *= np.exp(rng.uniform(0.02, 0.08) * grid.noise(110, rng))
        blurred *= 1 + 0.02 * smooth_noise(image.shape, 3.5, rng)
        noise = rng.uniform(0.01, 0.04) * rng.standard_normal((2, *image.shape), dtype=np.float32)
        signal = np.hypot(blurred + noise[0], noise[1])
        units = float(np.exp(rng.uniform(np.log(200), np.log(1500))))
        scanned.append(
            np.where(inside, np.clip(np.rint(signal * units), 1, 32767), 0).astype(np.int16)
        )
    return scanned
