"""Volumes as a page holds them: what was imaged, in a byte per voxel, compressed.

They are for looking only. A page says so, because greys are rounded and large scans thinned out.
"""

import base64
import gzip
from collections.abc import Iterator
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.outputs.map_files import DECIDED_BY
from bundle.outputs.report.case_view import ENTROPY, SEGMENTATION, CaseView
from bundle.volumes.geometry import spacing_mm
from bundle.volumes.plane_views import Volume, tight_span

MAX_VOXELS = 4_500_000
"""Of one volume: the brain of an exam of 240 x 240 x 155 voxels has fewer. Of larger ones every
second voxel is taken along the finest axis, until it fits.
"""

GREYS = 127
"""Steps of an image: a screen shows few more, and 255 of them take a fifth more room."""
STEPS = 63
"""Of a map."""

_NUMBERED = {SEGMENTATION: "labels", DECIDED_BY: "decided"}

PERCENTILES = (0.5, 99.5)
"""Of an image's voxels that are not outside; what lies beyond is drawn black or white."""


@dataclass(frozen=True)
class DisplayVolume:
    """One layer of the viewer.

    Attributes:
        name: of the modality or map.
        kind: ``image``, ``labels``, ``decided``, ``entropy``, ``map`` or ``signed``.
        low: value that is drawn first; below it a map is transparent, and above its negative.
        high: value that is drawn brightest.
        data: a NIfTI file, compressed, in base64.
    """

    name: str
    kind: str
    low: float
    high: float
    data: str


@dataclass(frozen=True, eq=False)
class _Cut:
    """Which voxels of a volume are kept, and where they lie."""

    box: tuple[slice, ...]
    affine: NDArray[np.float64]

    def file(self, voxels: NDArray[np.uint8], slope: float = 1.0, intercept: float = 0.0) -> str:
        image = nib.Nifti1Image(np.asfortranarray(voxels), self.affine)  # type: ignore[no-untyped-call]
        image.header.set_slope_inter(slope, intercept)  # type: ignore[no-untyped-call]
        content = image.to_bytes()
        return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode("ascii")


def display_volumes(view: CaseView) -> Iterator[DisplayVolume]:
    """Reduce the images and maps of a case: images in the task's order, then labels, then maps.

    Without images the first volume is blank, for the others to lie on.
    """
    cut = _cut(view)
    inside = view.inside[cut.box]
    if not view.images:
        yield DisplayVolume("", "image", 0, 1, cut.file(np.zeros(inside.shape, np.uint8)))
    for modality in view.task.in_order(view.images):
        yield _image(modality, view.images[modality][cut.box], inside, cut)
    for name, values in sorted(view.maps.items(), key=lambda pair: _place(pair[0], view)):
        kept = values[cut.box]
        if name in _NUMBERED:
            yield DisplayVolume(name, _NUMBERED[name], 0, 255, cut.file(kept.astype(np.uint8)))
        else:
            yield _map(name, np.where(inside, kept, 0), cut)


def _place(name: str, view: CaseView) -> tuple[int, int, str]:
    """Order the labels, then entropy, then maps of modalities as the task has them."""
    kind, _, rest = name.partition("-")
    known = view.task.modality_names
    first = [SEGMENTATION, ENTROPY].index(kind) if kind in (SEGMENTATION, ENTROPY) else 2
    return first, known.index(rest) if rest in known else len(known), name


def is_reduced(view: CaseView) -> bool:
    """Whether voxels are left out because there are too many of them."""
    return any(part.step not in (None, 1) for part in _cut(view).box)


def _cut(view: CaseView) -> _Cut:
    spans = [tight_span(view.inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    lengths = np.array([span.stop - span.start for span in spans])
    spacing, steps = spacing_mm(view.affine), np.ones(3, int)
    while np.prod(-(-lengths // steps)) > MAX_VOXELS:
        steps[np.argmin(spacing * steps)] *= 2
    box = tuple(
        slice(span.start, span.stop, int(step)) for span, step in zip(spans, steps, strict=True)
    )
    affine = np.array(view.affine, np.float64)
    affine[:3, 3] += affine[:3, :3] @ [span.start for span in spans]
    affine[:3, :3] *= steps
    return _Cut(box, affine)


def _image(name: str, values: Volume, inside: Volume, cut: _Cut) -> DisplayVolume:
    seen = values[inside & np.isfinite(values)]
    low, high = np.percentile(seen, PERCENTILES).tolist() if seen.size else (0.0, 1.0)
    step = max(high - low, 1e-6) / (GREYS - 1)
    greys = np.clip(np.nan_to_num(values.astype(np.float32) - low) / step, 0, GREYS - 1)
    # 0 is outside, a step below the darkest grey.
    voxels = np.where(inside, np.rint(greys) + 1, 0).astype(np.uint8)
    return DisplayVolume(name, "image", low - step, high, cut.file(voxels, step, low - step))


def _map(name: str, values: Volume, cut: _Cut) -> DisplayVolume:
    top = max(1.0, float(np.abs(values).max()))
    step = top / STEPS
    bottom = -top if values.min() < -0.5 * step else 0.0  # less is rounding
    voxels = np.rint((np.clip(values, bottom, top) - bottom) / step).astype(np.uint8)
    kind, low = "signed" if bottom else "map", 0.5 * step
    if name.startswith(ENTROPY):
        kind, low = "entropy", 0.1
    return DisplayVolume(name, kind, low, top, cut.file(voxels, step, bottom))
