"""The bytes of an image file, read once, or the sentence that says why there are none."""

import stat
from pathlib import Path

from bundle.errors import CaseError

# 1 GiB as float32, twice a whole head at 0.5 mm (512 x 512 x 512). A header that claims more is
# damaged or hostile.
MAX_VOXELS = 2**28

# Header extensions stand before the voxels. Above 2**24 a NIfTI-1 header cannot even express every
# offset.
MAX_VOXEL_OFFSET = 2**24

# No accepted volume is longer, at 8 bytes a voxel.
MAX_FILE_BYTES = 8 * MAX_VOXELS + MAX_VOXEL_OFFSET

# Both leave a short text or a dead link where a file's content was not fetched; unlocked annex
# files are such texts.
_LFS_POINTER = b"version https://git-lfs"
_ANNEX_POINTER = b"/annex/objects/"
_MAX_POINTER_BYTES = 4096


def read_file(path: Path, n_bytes: int | None = None) -> bytes:
    """Read a regular file.

    Args:
        path: of the file.
        n_bytes: how many to read from its beginning; all if left out.

    Raises:
        CaseError: E_NOT_A_FILE for what is none, E_NOT_HERE where only the pointer of git-annex or
            git-lfs is there, E_TOO_LARGE for more bytes than any accepted volume has.
        OSError: the file cannot be read.
    """
    refuse_dead_link(path)
    status = path.stat()
    # A pipe or a device would block or never end.
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise CaseError(
            "E_NOT_A_FILE", f"the path must be that of a file; got {kind}. Give the image itself."
        )
    if status.st_size > MAX_FILE_BYTES:
        raise CaseError(
            "E_TOO_LARGE",
            f"a file must have at most {MAX_FILE_BYTES} bytes; got {status.st_size}. Give one"
            " volume per file.",
        )
    # Some files of the system say that they are empty and never end.
    size = max(status.st_size, 1)
    with path.open("rb") as file:
        content = file.read(size + 1 if n_bytes is None else min(n_bytes, size))
    if len(content) > size:
        raise CaseError(
            "E_UNREADABLE", "the file must not grow while it is read. Wait until it is complete."
        )
    _refuse_pointer(content)
    return content


def refuse_dead_link(path: Path) -> None:
    """Refuse a link of git-annex whose content was not fetched.

    Raises:
        CaseError: E_NOT_HERE.
    """
    if (
        path.is_symlink()
        and not path.exists()
        and _ANNEX_POINTER.decode() in path.readlink().as_posix()
    ):
        raise _not_here("link of git-annex", "git annex get (or datalad get)")


def _refuse_pointer(content: bytes) -> None:
    if len(content) > _MAX_POINTER_BYTES:
        return
    if content.startswith(_LFS_POINTER):
        raise _not_here("pointer of git-lfs", "git lfs pull")
    if content.startswith(_ANNEX_POINTER):
        raise _not_here("pointer of git-annex", "git annex get (or datalad get)")


def _not_here(what: str, command: str) -> CaseError:
    return CaseError(
        "E_NOT_HERE",
        f"the image's content must be on this machine; got only the {what}. Fetch it in its folder:"
        f" {command}, with the file's name.",
    )
