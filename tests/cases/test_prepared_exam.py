import json

import numpy as np

from bundle.cases.case_record import CaseRecord
from bundle.cases.prepared_exam import DicomSource, PreparedExam, PreparedModality
from bundle.volumes.geometry import grid_from_affine

GRID = grid_from_affine(
    (5, 6, 7), np.array([[0, 1, 0, 3], [-1, 0, 0, 0.1], [0, 0, 3.3, 5], [0, 0, 0, 1]])
)
MOVE = ((1.0, 0.1, 0.0, 1 / 3), (-0.1, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, -2.5), (0.0, 0.0, 0.0, 1.0))
SERIES = DicomSource("1.2", "1.2.3", "FLAIR sag", ("/a/1.dcm", "/a/2.dcm"), ("TI 1800 ms",))
EXAM = PreparedExam(
    reference="t1c",
    modalities={
        "t1c": PreparedModality("t1.nii.gz", "ab", GRID),
        "t2f": PreparedModality("study", "cd", GRID, MOVE, True, {"gain": 0.25}, SERIES),
    },
    left_out={"t2w": "it could not be registered"},
    brain_by="HD-BET",
    warnings=("moved by 3 mm",),
)


def test_an_exam_comes_back_from_json_as_it_was():
    found = PreparedExam.from_facts(json.loads(json.dumps(EXAM.to_facts())))
    assert found.to_facts() == EXAM.to_facts()
    assert found.modalities["t2f"].dicom == SERIES
    assert np.array_equal(found.modalities["t2f"].to_prepared, MOVE)
    assert np.array_equal(found.modalities["t1c"].to_prepared, np.eye(4))
    assert np.array_equal(found.modalities["t2f"].grid.affine, GRID.affine)
    assert found.modalities["t2f"].grid.header == GRID.header


def test_a_record_carries_how_the_exam_was_prepared():
    record = CaseRecord("case", {"t1c": {"file": "a", "sha256": "0"}}, (), GRID, ("t1n",), EXAM)
    found = CaseRecord.from_json(record.to_json())
    assert found.prepared is not None
    assert found.prepared.to_facts() == EXAM.to_facts()
    assert CaseRecord.from_json(CaseRecord("case", {}, (), GRID).to_json()).prepared is None
