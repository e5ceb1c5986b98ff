"""Writes DICOM objects of a case; the one module that others import late, with all of highdicom."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from bundle.files.atomic_file import appearing_at_once
from bundle.outputs.case_result import CaseResult
from bundle.outputs.dicom.entropy_map import make_entropy_map
from bundle.outputs.dicom.identity import Maker
from bundle.outputs.dicom.report import VolumeReport
from bundle.outputs.dicom.segmentation import make_segmentation
from bundle.outputs.dicom.series_maps import label_on_series, map_on_series
from bundle.outputs.dicom.source_series import read_series
from bundle.tasks.task import Task


def write_segmentation_and_report(
    paths: Sequence[Path], result: CaseResult, task: Task, weights_sha256: str
) -> None:
    """Write the label map as a segmentation, and its volumes as a report.

    Args:
        paths: of the segmentation and the report.
        result: of the case.
        task: of the network.
        weights_sha256: of the network's weights.

    Raises:
        CaseError: E_DICOM_SOURCE.
        OutputError: a file cannot be written.
    """
    series, maker = read_series(result.record), Maker(weights_sha256)
    label = label_on_series(result, series, task)
    # What pydicom warns of quotes values of the source, and they may be the patient's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentation = make_segmentation(label, series, task, maker)
        report = VolumeReport(label, series, segmentation, task, maker).make()
        for path, made in zip(paths, (segmentation, report), strict=True):
            _save(path, made)


def write_entropy_map(path: Path, result: CaseResult, weights_sha256: str) -> None:
    """Write the entropy of the least sure region as a parametric map.

    Raises:
        CaseError: E_DICOM_SOURCE.
        OutputError: the file cannot be written.
    """
    series = read_series(result.record)
    entropy = map_on_series(result.entropy[0], result.record.grid, series)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _save(path, make_entropy_map(entropy, series, Maker(weights_sha256)))


def _save(path: Path, made: Dataset) -> None:
    with appearing_at_once(path) as file:
        made.save_as(file, enforce_file_format=True)
