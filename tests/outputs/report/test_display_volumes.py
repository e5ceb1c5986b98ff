import base64
import gzip
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bundle.outputs.report import display_volumes as module
from bundle.outputs.report.case_view import CaseView
from bundle.outputs.report.display_volumes import GREYS, STEPS, display_volumes, is_reduced
from bundle.tasks.default import DEFAULT_TASK

SHAPE = (20, 24, 28)
BRAIN = (slice(3, 17), slice(4, 20), slice(5, 25))
AFFINE = np.array([[0, -1.5, 0, 9.5], [2, 0, 0, -8], [0, 0, 1, 1.25], [0, 0, 0, 1]])


def view(modalities=("t1c", "t2f"), **maps):
    image = np.zeros(SHAPE, np.float32)
    image[BRAIN] = np.random.default_rng(1).uniform(100, 900, image[BRAIN].shape)
    label = np.zeros(SHAPE, np.uint8)
    label[8:12, 9:13, 10:16] = 3
    entropy = (label > 0) * np.float32(0.5)
    shares = {f"weight-{name}": (image > 0) * np.float32(0.5) for name in modalities}
    facts = {"case_id": "case7", "modalities": list(modalities)}
    all_maps = {**shares, "entropy": entropy, "seg": label, **maps}
    return CaseView(facts, dict.fromkeys(modalities, image), all_maps, AFFINE, DEFAULT_TASK)


def opened(volume):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(volume.data)))


def by_name(case):
    return {volume.name: volume for volume in display_volumes(case)}


def test_volumes_come_in_the_order_of_the_switches():
    names = [volume.name for volume in display_volumes(view())]
    assert names == ["t1c", "t2f", "seg", "entropy", "weight-t1c", "weight-t2f"]


def test_volumes_are_bytes_cut_to_what_was_imaged_and_lie_where_they_lay():
    case = view()
    for name, volume in by_name(case).items():
        image = opened(volume)
        assert image.get_data_dtype() == np.uint8
        assert image.shape == (14, 16, 20)
        whole = case.images.get(name, case.maps.get(name))
        corner = AFFINE @ [3, 4, 5, 1]
        assert np.allclose(image.affine @ [0, 0, 0, 1], corner)
        assert np.allclose(image.affine[:3, :3], AFFINE[:3, :3])
        step = 800 / GREYS if name in case.images else 1 / 60
        beyond = 10 if name in case.images else 0  # what the percentiles leave out
        assert np.abs(image.get_fdata() - whole[BRAIN]).max() <= step + beyond


def test_labels_are_exact():
    case = view()
    assert np.array_equal(np.asarray(opened(by_name(case)["seg"]).dataobj), case.maps["seg"][BRAIN])


def test_a_dark_voxel_of_the_brain_is_told_from_outside():
    case = view(("t2f",))
    case.images["t2f"][BRAIN][0, 0, 0] = 1
    stored = np.asarray(opened(by_name(case)["t2f"]).dataobj.get_unscaled())
    assert stored.min() == 1
    assert stored.max() == GREYS


@pytest.mark.parametrize(
    ("limit", "shape"), [(4500, (14, 16, 20)), (2500, (14, 16, 10)), (600, (7, 8, 10))]
)
def test_a_large_scan_is_thinned_along_its_finest_axis_and_stays_in_its_place(
    monkeypatch, limit, shape
):
    monkeypatch.setattr(module, "MAX_VOXELS", limit)
    case = view()
    assert is_reduced(case) == (shape != (14, 16, 20))
    labels = opened(by_name(case)["seg"])
    assert labels.shape == shape
    steps = np.array([14, 16, 20]) // shape
    places = np.argwhere(np.asarray(labels.dataobj) == 3)
    world = nib.affines.apply_affine(labels.affine, places)
    voxels = nib.affines.apply_affine(np.linalg.inv(AFFINE), world)
    assert (case.maps["seg"][tuple(np.rint(voxels).astype(int).T)] == 3).all()
    assert np.allclose(np.linalg.norm(labels.affine[:3, :3], axis=0), [2, 1.5, 1] * steps)


def test_without_images_maps_lie_on_a_blank():
    case = replace(view(), images={})
    volumes = list(display_volumes(case))
    assert [volume.kind for volume in volumes] == ["image", "labels", "entropy", "map", "map"]
    assert not np.asarray(opened(volumes[0]).dataobj).any()


def test_maps_of_any_name_are_shown_also_beyond_1():
    contribution = np.full(SHAPE, 4, np.float32)
    volume = by_name(view(**{"contribution-t1c": contribution}))["contribution-t1c"]
    assert volume.high == 4
    assert np.allclose(opened(volume).get_fdata(), 4)


def test_a_signed_map_keeps_what_speaks_against():
    signed = np.zeros(SHAPE, np.float32)
    signed[8:10, 9:11, 10:12], signed[10:12, 9:11, 10:12] = -0.8, 0.4
    volume = by_name(view(**{"contribution-t1c-TC": signed}))["contribution-t1c-TC"]
    assert (volume.kind, volume.high) == ("signed", 1)
    assert np.abs(opened(volume).get_fdata() - signed[BRAIN]).max() < 0.5 / STEPS + 1e-6
    zero = opened(volume).get_fdata()[0, 0, 0]
    assert abs(zero) < volume.low


def test_what_rounding_leaves_below_0_does_not_make_a_map_signed():
    weights = np.full(SHAPE, 0.5, np.float32)
    weights[10, 10, 10] = -1e-6
    volume = by_name(view(**{"weight-t1c": weights}))["weight-t1c"]
    assert volume.kind == "map"
    assert opened(volume).get_fdata().min() == 0


def test_who_decided_is_a_number_and_no_amount():
    decided = np.zeros(SHAPE, np.uint8)
    decided[8:12, 9:13, 10:16] = 2
    volume = by_name(view(**{"decided-by": decided}))["decided-by"]
    assert volume.kind == "decided"
    assert np.array_equal(opened(volume).get_fdata(), decided[BRAIN])


def test_what_was_found_outside_of_the_images_is_not_cut_away():
    case = view()
    case.maps["seg"][0, 0, 0] = 1
    assert opened(by_name(case)["seg"]).shape == (17, 20, 25)
