"""Warns of exams that look unlike those that a network is known to do well on."""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from bundle.cases.appearance import appearance_of
from bundle.cases.case_record import CaseRecord
from bundle.cases.exam_reference import ExamReference
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.tensors import plain_tensor


class WarnOfUnlikenessd(MapTransform):
    """Add warnings to the record of a case whose names or intensities are odd.

    Args:
        keys: images (M, H, W, D) of 1 mm, normalised inside.
        reference: None adds nothing.
        task: whose modalities the channels are.
    """

    def __init__(
        self, keys: KeysCollection, *, reference: ExamReference | None, task: Task = DEFAULT_TASK
    ) -> None:
        super().__init__(keys)
        self.reference = reference
        self.task = task

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with a new record.

        Args:
            data: images (M, H, W, D); ``presence`` (M,) bool; ``record``.
        """
        case = dict(data)
        if self.reference is None:
            return case
        record = CaseRecord.from_json(case["record"])
        for key in self.key_iterator(case):
            exam = appearance_of(plain_tensor(case[key]), case["presence"], self.task)
            record = replace(record, warnings=(*record.warnings, *self.reference.doubts(exam)))
        case["record"] = record.to_json()
        return case
