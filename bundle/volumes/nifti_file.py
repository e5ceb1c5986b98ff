"""The header of a NIfTI file, or of an .hdr/.img pair."""

from pathlib import Path

from bundle.errors import CaseError
from bundle.volumes.image_header import ImageHeader
from bundle.volumes.nifti_forms import header_geometry, place
from bundle.volumes.nifti_header import check_magic, header_warnings, parse_header, voxel_layout
from bundle.volumes.nifti_rules import check_header, check_volume_count


def parse_nifti(start: bytes, n_volumes: int | None, *, is_pair: bool) -> ImageHeader:
    """Read and check the header from the first bytes of the content.

    Args:
        start: at least as long as a header, or all there is.
        n_volumes: how many the file must hold; None for any number.
        is_pair: the voxels lie in a file of their own.

    Raises:
        CaseError: the header is damaged, or cannot be that of MRI volumes.
    """
    header = parse_header(start)
    check_magic(header, is_pair=is_pair)
    check_header(header)
    if n_volumes is not None:
        check_volume_count(header, n_volumes)
    layout = voxel_layout(header)
    grid, warnings = place(header_geometry(header), layout.shape)
    return ImageHeader(layout, grid, header_warnings(header) + warnings)


def halves(path: Path) -> tuple[Path, Path]:
    """Return the files that hold the header and the voxels: one and the same, except for an
    .hdr/.img pair.

    Raises:
        CaseError: E_PAIR, half of a pair is missing.
    """
    for ending in ("", ".gz"):
        for own, other in ((".hdr", ".img"), (".img", ".hdr")):
            if path.name.lower().endswith(own + ending):
                half = path.with_name(path.name[: -len(own + ending)] + other + ending)
                if path.exists() and not half.exists():
                    raise CaseError(
                        "E_PAIR",
                        f"an .hdr/.img pair must be complete; got no file {half.name}. Put it"
                        " beside the other half.",
                    )
                return (path, half) if own == ".hdr" else (half, path)
    return path, path
