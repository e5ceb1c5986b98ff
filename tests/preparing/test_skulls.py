"""Heads that still have their skull: who takes it off, and what is said if nobody does."""

import numpy as np
import pytest

from bundle.errors import CaseError, SetupError
from bundle.preparing.alignment import AlignedScan
from bundle.preparing.brain_cut import brain_of_exam
from tests.brains.drawn_heads import SHELLS, draw_head, plain_brain, scan_of

MM = 3.0


@pytest.fixture(scope="module")
def volumes():
    """One modality of a head, and the brain of another, on one grid."""
    rng = np.random.default_rng(0)
    brain = plain_brain(MM, rng)
    head = draw_head(brain, MM, SHELLS["fat is bright"], rng)
    stripped = np.zeros_like(head)
    low = [round(28 / MM), round(28 / MM), round(60 / MM)]
    stripped[tuple(slice(a, a + n) for a, n in zip(low, brain.shape, strict=True))] = brain
    return {"t1c": scan_of(stripped, MM), "t2f": scan_of(head, MM)}


class Extractor:
    name = "an extractor"

    def __init__(self):
        self.asked = []

    def __call__(self, volume):
        self.asked.append(volume)
        mask = np.zeros(volume.data.shape, bool)
        half = tuple(slice(size // 4, -size // 4) for size in mask.shape)
        mask[half] = True
        return mask


def cut(volumes, get_extractor):
    scans = {name: AlignedScan(volume) for name, volume in volumes.items()}
    return brain_of_exam(
        scans, volumes, case_id="case", mask_file=None, get_extractor=get_extractor
    )


def refuse():
    raise SetupError("E_SKULL", "The weights must be there; they are not. Install the extra.")


def test_a_stripped_exam_is_left_alone_and_no_network_is_loaded(volumes):
    assert cut({"t1c": volumes["t1c"]}, refuse) is None


def test_a_head_is_cut_out_in_a_scan_that_shows_it(volumes):
    extractor = Extractor()
    found = cut(volumes, lambda: extractor)
    assert found is not None
    assert extractor.asked == [volumes["t2f"]]
    assert found.by == "an extractor"
    assert found.mask.any()
    assert not found.mask[0].any()


def test_without_a_network_the_evidence_and_the_ways_out_are_said(volumes):
    with pytest.raises(
        CaseError, match=r"Case case: .* its skull \(t2f: .*\)\. The weights.*--brain-mask FILE"
    ) as error:
        cut(volumes, refuse)
    assert error.value.code == "E_SKULL"
