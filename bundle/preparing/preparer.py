"""Prepares listed cases, whether they are images or DICOM studies."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from bundle.brains.brain_extraction import BrainExtractor
from bundle.cases.prepared_exam import PreparedExam
from bundle.datasets.case_files import case_files
from bundle.dicom.series_table import TABLE
from bundle.dicom.study import read_study
from bundle.dicom.study_list import STUDY
from bundle.errors import CaseError
from bundle.files.staged_folder import made_folders, temporary_folder
from bundle.preparing.exam import ExamPreparer
from bundle.preparing.made_of import made_of
from bundle.preparing.options import PrepareOptions
from bundle.preparing.prepared_case import find_earlier
from bundle.tasks.task import Task


class Preparer:
    """Prepares case after case; the network that cuts brains out is loaded once, if ever.

    Args:
        options: the same for all.
        task: whose modalities cases have.
    """

    def __init__(self, options: PrepareOptions, task: Task) -> None:
        self.options, self.task = options, task
        self._exams = ExamPreparer(options, task, lambda: self._extractor)

    def earlier(self, case: Mapping[Any, Any], folder: Path) -> PreparedExam | None:
        """Return how a folder became the case by an earlier run; None if it must be prepared."""
        if not folder.is_dir():
            return None
        try:
            origin = made_of(case, self.options, self.task)
        except (CaseError, OSError):  # which it will fail with
            return None
        return find_earlier(folder, str(case["case_id"]), origin)

    def prepare(self, case: Mapping[Any, Any], folder: Path) -> PreparedExam:
        """Prepare a case of ``listing.list_cases``, or one with ``study``, into a folder.

        Where it is not sure which series of a study is which modality, ``series.csv`` is left
        beside that folder.

        Raises:
            CaseError: the case cannot be prepared.
            OutputError: the folder cannot be written.
        """
        case_id = str(case["case_id"])
        if STUDY not in case:
            files = case_files(case, task=self.task)
            return self._exams.prepare(files, folder, case_id, made_of=self._origin(case))
        with made_folders(folder.parent), temporary_folder() as work:
            study = read_study(
                case[STUDY],
                work,
                task=self.task,
                case_id=case_id,
                series_table=self.options.series_table,
                table_out=folder.parent / f"{case_id}_{TABLE}",
            )
            return self._exams.prepare(
                study.files,
                folder,
                case_id,
                sources=study.sources,
                warnings=study.warnings,
                made_of=self._origin(case),
            )

    def _origin(self, case: Mapping[Any, Any]) -> str | None:
        try:
            return made_of(case, self.options, self.task)
        except OSError:  # a file that cannot be read is refused in words where it is needed
            return None

    @cached_property
    def _extractor(self) -> BrainExtractor:
        return BrainExtractor(self.options.brain_weights)
