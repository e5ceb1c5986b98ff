"""Makes the list of a case's outputs from the settings of a config: here a new one is entered."""

from collections.abc import Mapping
from typing import Any

from bundle.errors import SetupError
from bundle.outputs.case_output import CaseOutput, CaseOutputs
from bundle.outputs.dicom.dicom_files import DicomEntropyFile, DicomFiles, check_dicom_installed
from bundle.outputs.facts_file import FactsFile
from bundle.outputs.map_files import (
    ContributionFiles,
    EntropyFiles,
    LabelMapFile,
    MapOutput,
    WeightFiles,
)
from bundle.outputs.native_grid import NativeLabelFile
from bundle.outputs.preview_file import PreviewFile
from bundle.outputs.report.report_files import ReportFiles
from bundle.outputs.run_identity import RunIdentity
from bundle.outputs.slicer_files import SlicerFiles
from bundle.tasks.contributions import Contributions
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task


def case_outputs(
    weights_sha256: str,
    label_convention: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    entropy: bool = True,
    weights: bool = True,
    entropy_per_region: bool = False,
    weights_per_region: bool = False,
    contributions: str = Contributions.none,
    preview: bool = False,
    report: bool = False,
    slicer: bool = False,
    dicom: bool = False,
    dicom_entropy: bool = False,
    on_grid_of: str | None = None,
    run: RunIdentity | None = None,
    task: Task = DEFAULT_TASK,
) -> CaseOutputs:
    """List what is written for each case, the JSON last.

    Args:
        weights_sha256: of the network's weights, for the record.
        label_convention: numbering of the label map on disk; that of the task if left out.
        settings: what else should stand in the JSON, for example window and overlap.
        entropy: write the entropy map.
        weights: write the weight maps.
        entropy_per_region: as given to ``maps.SplitMapsd``: also one entropy map per region.
        weights_per_region: as given to ``maps.ActivateMixtured``: one weight map per modality and
            region instead of their mean.
        contributions: as given to ``maps.SplitMapsd``: also write these maps.
        preview: also draw ``CASE_preview.png``.
        report: also write ``CASE_report.html``.
        slicer: also write what 3D Slicer opens with names and colours.
        dicom: also write a DICOM segmentation and a report; every case must be of DICOM.
        dicom_entropy: also write a DICOM parametric map of the entropy; likewise.
        on_grid_of: modality on whose own grid the label map is written too; every case must have
            been prepared.
        run: by which a later run knows what is done.
        task: of the network.

    Raises:
        SetupError: E_SETTING, an unknown numbering or modality; E_EXTRA, what writes DICOM is not
            installed.
    """
    if dicom or dicom_entropy:
        check_dicom_installed()
    numbering = chosen_numbering(task, label_convention)
    label_map = LabelMapFile(numbering)
    entropies = EntropyFiles(task, entropy_per_region)
    shares = WeightFiles(task, weights_per_region)
    told_parts = Contributions(contributions)
    parts = ContributionFiles(task, told_parts)
    maps: tuple[MapOutput, ...] = (label_map, entropies, shares, parts)
    chosen: list[tuple[CaseOutput, bool]] = [
        (label_map, True),
        (entropies, entropy),
        (shares, weights),
        (parts, told_parts != Contributions.none),
        (PreviewFile(task, maps), preview),
        (SlicerFiles(task, numbering), slicer),
        (NativeLabelFile(task, numbering, known_modality(task, on_grid_of)), bool(on_grid_of)),
        (DicomFiles(task, weights_sha256), dicom),
        (DicomEntropyFile(weights_sha256), dicom_entropy),
    ]
    others = tuple(output for output, is_on in chosen if is_on)
    told = dict(settings or {})
    identity = None if run is None else run.sha256
    page = ReportFiles(
        task, maps, FactsFile(task, numbering, others, weights_sha256, told, identity)
    )
    chosen.append((page, report))
    written = tuple(output for output, is_on in chosen if is_on)
    facts = FactsFile(task, numbering, written, weights_sha256, told, identity)
    off = tuple(output for output, is_on in chosen if not is_on)
    return CaseOutputs((*written, facts), off)


def known_modality(task: Task, name: str | None) -> str:
    """Return a modality of the task; its first for None.

    Raises:
        SetupError: E_SETTING, the task has none of that name.
    """
    if name is None:
        return task.modality_names[0]
    if name not in task.modality_names:
        raise SetupError(
            "E_SETTING",
            f"on_grid_of must be one of {', '.join(task.modality_names)}; got {name!r}."
            " Choose one.",
        )
    return name


def chosen_numbering(task: Task, label_convention: str | None) -> Numbering:
    """Return the numbering of a name, or that of the task.

    Raises:
        SetupError: E_SETTING, the task has none of that name.
    """
    if label_convention is None:
        return task.default_numbering
    if label_convention not in task.numberings:
        raise SetupError(
            "E_SETTING",
            f"label_convention must be one of {', '.join(task.numberings)}; got"
            f" {label_convention!r}. Choose one.",
        )
    return task.numberings[label_convention]
