"""Makes one NIfTI file of one series by dcm2niix, and believes it only what the headers say too."""

import shutil
import subprocess
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bundle.dicom.choice import Chosen
from bundle.dicom.converted_voxels import differing_slice
from bundle.dicom.stack import Slice
from bundle.errors import CaseError
from bundle.files.atomic_file import cause_of, make_folder
from bundle.files.dicom_file import EXTRA
from bundle.files.extras import missing
from bundle.files.staged_folder import move_file, temporary_folder
from bundle.volumes.geometry import grid_from_affine, orientation_to

TIMEOUT_S = 600
_NAME = "converted"


def convert(chosen: Chosen, target: Path, *, case_id: str) -> tuple[Slice, ...]:
    """Write a series as a compressed NIfTI file.

    Args:
        chosen: its stack is what the result must be.
        target: ends with ``.nii.gz``; its folder is made.
        case_id: for messages.

    Returns:
        The slices in the order of the file's third axis.

    Raises:
        SetupError: E_EXTRA, dcm2niix is not installed.
        CaseError: E_CONVERSION, it failed, or made something else than the headers say.
        OutputError: the folder cannot be made.
    """
    with temporary_folder(make_folder(target.parent)) as stage:
        _gather(chosen.series.paths, make_folder(stage / "in"))
        made = _run(stage, chosen, case_id)
        slices = _checked(made, chosen, case_id)
        move_file(made, target)
    return slices


def _gather(paths: Sequence[Path], folder: Path) -> None:
    """Put the series' files, and no others, under names that say nothing."""
    for number, path in enumerate(paths):
        place = folder / f"{number:06d}.dcm"
        try:
            place.symlink_to(path.absolute())
        except OSError:  # a system without links
            shutil.copyfile(path, place)


def _run(stage: Path, chosen: Chosen, case_id: str) -> Path:
    # -x i: neither crop nor turn 3D scans; -p n: the scaling of RescaleSlope, as others read it;
    # -m y: what the stack's check found to be one volume is one, whatever else differs.
    options = ["-z", "y", "-b", "n", "-x", "i", "-p", "n", "-m", "y", "-g", "i", "-w", "1"]
    command = [_program(), *options, "-f", _NAME, "-o", str(stage), str(stage / "in")]
    try:
        run = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise failed(chosen, case_id, f"no end after {TIMEOUT_S} s") from None
    except OSError as error:
        raise failed(chosen, case_id, f"an error: {cause_of(error)}") from None
    made = sorted(stage.glob(f"{_NAME}*.nii*"))
    if run.returncode != 0 and not made:  # what it prints may name the patient
        raise failed(chosen, case_id, f"exit status {run.returncode} of dcm2niix")
    if len(made) != 1:
        raise failed(chosen, case_id, f"{len(made)} volumes")
    return made[0]


def _program() -> str:
    """Find the program: of the Python package, else the system's.

    Raises:
        SetupError: E_EXTRA, there is none.
    """
    try:
        packaged = import_module("dcm2niix").bin
    except (ImportError, AttributeError):
        packaged = None
    program = packaged if packaged and Path(packaged).is_file() else shutil.which("dcm2niix")
    if program is None:
        raise missing("dcm2niix", EXTRA)
    return str(program)


def _checked(path: Path, chosen: Chosen, case_id: str) -> tuple[Slice, ...]:
    """Compare the result with the headers: shape, corners in mm, and voxels where they are plain.

    Returns:
        The slices in the order of the third axis.
    """
    image: Any = nib.load(path)
    stack = chosen.stack
    if len(image.shape) != 3:
        raise failed(chosen, case_id, f"{image.ndim} axes")
    found = grid_from_affine(image.shape, np.asarray(image.affine, np.float64))
    turn = orientation_to(found, grid_from_affine(stack.shape, stack.affine))
    if turn is None:
        shape = " x ".join(map(str, image.shape))
        wanted = " x ".join(map(str, stack.shape))
        raise failed(chosen, case_id, f"a grid of {shape} that is not that of the {wanted} slices")
    if turn[2, 0] != 2:
        raise failed(chosen, case_id, "slices along another axis than the third")
    differing = differing_slice(np.asanyarray(image.dataobj), turn, stack)
    if differing is not None:
        raise failed(chosen, case_id, f"other voxels in slice {differing + 1}")
    return stack.slices if turn[2, 1] > 0 else stack.slices[::-1]


def failed(chosen: Chosen, case_id: str, got: str) -> CaseError:
    """Make the error for a series that could not be converted."""
    return CaseError(
        "E_CONVERSION",
        f"Case {case_id}: dcm2niix must make of {chosen.series.title} one volume as its headers"
        f" say; got {got}. Choose another series by --series, or convert this one yourself and give"
        " the NIfTI file.",
    )
