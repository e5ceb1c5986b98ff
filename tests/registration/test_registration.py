import numpy as np
import pytest

from bundle.registration.pyramid import Pyramid
from bundle.registration.registration import overlap, register
from bundle.registration.world import distance_mm
from tests.registration.displaced import (
    DISPLACEMENTS,
    displaced,
    displacement,
    drawn_exam,
    head_points,
    volume,
)


@pytest.fixture(scope="module")
def exam():
    return drawn_exam()


@pytest.fixture(scope="module")
def reference(exam):
    return Pyramid(exam["t1c"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DISPLACEMENTS if name != "none"])
@pytest.mark.parametrize("modality", ["t1n", "t2w", "t2f"])
def test_a_known_displacement_is_found_to_a_millimetre(exam, reference, modality, name):
    points = head_points(exam[modality])
    known = displacement(name, points.mean(axis=0))
    found = register(displaced(exam[modality], known), reference)
    assert found.problem == ""
    assert found.is_moved
    assert distance_mm(found.move @ known, np.eye(4), points) < 1.0
    assert found.quality["moved_mm"] == pytest.approx(
        distance_mm(known, np.eye(4), points), abs=1.0
    )


def test_an_aligned_scan_stays_where_it_is(exam, reference):
    found = register(exam["t2f"], reference)
    assert not found.is_moved
    assert np.array_equal(found.move, np.eye(4))
    assert found.problem == ""
    assert found.quality["moved_mm"] == 0.0


@pytest.mark.slow
def test_a_registration_gives_the_same_bytes_each_time(exam):
    points = head_points(exam["t2w"])
    moved = displaced(exam["t2w"], displacement("small", points.mean(axis=0)))
    one, other = (register(moved, Pyramid(exam["t1c"])) for _ in range(2))
    assert one.move.tobytes() == other.move.tobytes()
    assert one.quality == other.quality


@pytest.mark.slow
def test_thick_slices_along_other_axes_are_brought_onto_the_reference(exam, reference):
    scan = exam["t2f"]
    known = displacement("small", head_points(scan).mean(axis=0))
    thick = scan.data[:, : scan.data.shape[1] // 4 * 4].reshape(96, 28, 4, 80).mean(axis=2)
    affine = known @ scan.grid.affine @ np.diag([1.0, 4.0, 1.0, 1.0])
    affine[:3, 3] += (known @ scan.grid.affine)[:3, 1] * 1.5  # the middle of four voxels
    found = register(volume(thick.transpose(1, 2, 0), affine[:, [1, 2, 0, 3]]), reference)
    assert found.problem == ""
    assert distance_mm(found.move @ known, np.eye(4), head_points(scan)) < 1.0


@pytest.mark.slow
def test_a_scan_of_something_else_is_not_trusted(reference, exam):
    noise = np.random.default_rng(0).normal(100, 20, (40, 44, 36))
    found = register(volume(noise, np.diag([3.0, 3.0, 3.0, 1.0])), reference)
    assert found.problem != ""


@pytest.mark.slow
def test_a_scan_that_shows_only_the_top_of_the_head_is_not_trusted(reference, exam):
    scan = exam["t2f"]
    affine = scan.grid.affine.copy()
    affine[:3, 3] += affine[:3, 2] * 62
    found = register(volume(scan.data[:, :, 62:], affine), reference)
    assert found.problem != ""


def test_the_overlap_is_the_share_of_the_reference_that_a_scan_covers(reference, exam):
    scan = exam["t2f"]
    points = head_points(scan)
    affine = scan.grid.affine.copy()
    affine[:3, 3] += affine[:3, 2] * 40
    above = Pyramid(volume(scan.data[:, :, 40:], affine))
    known = (points[:, 2] >= affine[2, 3] - 0.5).mean()
    assert 0.2 < known < 0.8
    assert overlap(above, points, np.eye(4)) == pytest.approx(known)
