"""Small NIfTI files, good and spoiled, for the tests of reading and writing."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from nibabel.nifti1 import header_dtype

SHAPE = (9, 8, 7)
AFFINE = np.array([[1, 0, 0, -12.5], [0, 1, 0, -14], [0, 0, 3, -30], [0, 0, 0, 1]], float)


def scan(shape=SHAPE, dtype=np.int16, seed=0):
    """Noise with hundreds of distinct values inside a margin of background one voxel wide."""
    data = np.zeros(shape, dtype)
    inner = tuple(slice(1, size - 1) for size in shape)
    data[inner] = np.random.default_rng(seed).integers(1, 1000, data[inner].shape)
    return data


def nifti_bytes(
    data=None, affine=AFFINE, codes=(1, 1), image_class=nib.Nifti1Image, **fields: Any
) -> bytes:
    """An uncompressed file whose sform and qform agree; then header fields are overwritten, by
    NIfTI-1 name.
    """
    image = image_class(scan() if data is None else data, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.header.set_xyzt_units("mm")
    raw = bytearray(image.to_bytes())
    header = np.ndarray((), header_dtype, buffer=raw)
    for name, value in fields.items():
        header[name] = value
    return bytes(raw)


def save(path: Path, content: bytes | None = None, **kwargs: Any) -> Path:
    """Write bytes, or the file of `nifti_bytes`; compressed if the name says so."""
    raw = nifti_bytes(**kwargs) if content is None else content
    path.write_bytes(
        gzip.compress(raw, 6) if path.name.endswith(".gz") and content is None else raw
    )
    return path


def itk_image(data: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """The same volume for SimpleITK, which keeps places in LPS and the last axis first."""
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


def save_as(
    path: Path,
    data: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    *,
    compressed: bool = True,
) -> Path:
    """Write a volume by the library that owns the format: SimpleITK, or nibabel for .mgh
    and .mgz.
    """
    data = scan() if data is None else data
    if path.suffix in (".mgh", ".mgz"):
        nib.save(nib.MGHImage(data, affine), path)
    else:
        sitk.WriteImage(itk_image(data, affine), str(path), compressed)
    return path
