import numpy as np
import pytest

from bundle.brains.skull import MAX_BRAIN_LITRES, MIN_DARK_SHARE, find_skull, head_signs
from bundle.cases.background_warnings import background_warnings
from bundle.phantoms.phantom_cases import draw_phantom
from bundle.volumes.background import clear_background
from bundle.volumes.image_volume import read_volume
from tests.brains.drawn_heads import (
    SHELLS,
    draw_head,
    partial_views,
    plain_brain,
    scan_of,
    with_noise,
)

pytestmark = pytest.mark.slow

MM = 2.5
VIEWS = [name for name, _ in partial_views(plain_brain(MM, np.random.default_rng(0)), MM)]
RAW = "raw/ms_patient01_study1"


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_head_is_seen_whatever_its_scalp_and_bone_look_like(shell, rng):
    head = draw_head(plain_brain(MM, rng), MM, SHELLS[shell], rng)
    finding = find_skull({"a": scan_of(head, MM)})
    assert finding.has_skull
    assert finding.evidence.startswith("a: ")


@pytest.mark.parametrize("shell", ["fat is bright", "fat is suppressed"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_part_of_a_head_is_seen_by_its_dark_layer(shell, view, rng):
    head = draw_head(plain_brain(MM, rng), MM, SHELLS[shell], rng)
    signs = head_signs(scan_of(dict(partial_views(head, MM))[view], MM))
    assert signs.dark_share > MIN_DARK_SHARE


@pytest.mark.parametrize("view", VIEWS)
def test_a_brain_and_its_parts_are_never_taken_for_a_head(view, rng):
    brain = dict(partial_views(plain_brain(MM, rng), MM))[view]
    assert find_skull({"a": scan_of(brain, MM)}).evidence == ""


def test_noise_around_a_brain_is_no_skull(rng):
    brain = with_noise(plain_brain(MM, rng), 3.0, rng)
    assert not find_skull({"a": scan_of(brain, MM)}).has_skull


def test_a_head_without_a_face_is_still_a_head(rng):
    head = draw_head(plain_brain(MM, rng), MM, SHELLS["fat is bright"], rng)
    head[:, head.shape[1] * 2 // 3 :, : head.shape[2] // 2] = 0
    assert find_skull({"a": scan_of(head, MM)}).has_skull


def test_the_signs_do_not_depend_on_the_order_of_axes(rng):
    head = draw_head(plain_brain(MM, rng), MM, SHELLS["fat is bright"], rng)
    signs = head_signs(scan_of(head, MM))
    turned = head_signs(scan_of(head[::-1].transpose(2, 0, 1), MM))
    assert turned.litres == pytest.approx(signs.litres, rel=0.01)
    assert turned.dark_share == pytest.approx(signs.dark_share, abs=0.02)


@pytest.mark.parametrize("has_skull", [True, False])
def test_a_constant_background_hides_neither_a_head_nor_a_brain(has_skull, rng):
    data = plain_brain(MM, rng)
    if has_skull:
        data = draw_head(data, MM, SHELLS["fat is bright"], rng)
        data[data < 8] = 0
    data = np.pad(data, 3) - 1024
    assert clear_background(data)
    assert find_skull({"a": scan_of(data, MM)}).has_skull is has_skull


def test_a_brain_of_z_scores_is_no_head(rng):
    brain = plain_brain(MM, rng)
    inside = brain > 0
    brain[inside] = (brain[inside] - brain[inside].mean()) / brain[inside].std()
    assert not find_skull({"a": scan_of(brain, MM)}).has_skull


@pytest.mark.parametrize("shape", [(2, 2, 2), (40, 48, 2), (1, 9, 9), (9, 8, 7)])
@pytest.mark.parametrize("value", [0.0, 1.0, -5.0])
def test_what_has_no_surface_is_no_head(shape, value):
    assert not find_skull({"a": scan_of(np.full(shape, value), MM)}).has_skull


def test_one_head_among_brains_is_named_alone(rng):
    brain = plain_brain(MM, rng)
    head = draw_head(brain, MM, SHELLS["fat is bright"], rng)
    volumes = {"a": scan_of(brain, MM), "b": scan_of(head, MM)}
    finding = find_skull(volumes)
    assert "b: " in finding.evidence
    assert "a: " not in finding.evidence
    (warning,) = background_warnings(volumes)
    assert "does not look skull-stripped (b: " in warning


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_drawn_case_is_never_taken_for_a_head(seed):
    images = draw_phantom(seed, (160, 200, 170)).images
    assert background_warnings({name: scan_of(image, 1.0) for name, image in images.items()}) == ()


@pytest.mark.slow
def test_each_scan_of_the_raw_exam_is_seen_to_have_its_skull_by_both_signs(shared_data):
    for path in sorted((shared_data / RAW).glob("*.nii.gz")):
        signs = head_signs(read_volume(path, case_id="raw", modality=path.name))
        assert signs.litres > MAX_BRAIN_LITRES
        assert signs.dark_share > 2 * MIN_DARK_SHARE


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["brats2021", "brats2013", "pseudo_labelled", "unlabelled"])
def test_no_stripped_scan_is_taken_for_a_head(shared_data, folder):
    for path in sorted((shared_data / folder).glob("*/*.nii.gz")):
        if not path.name.endswith("seg.nii.gz"):
            signs = head_signs(read_volume(path, case_id="x", modality=path.name))
            assert signs.litres < MAX_BRAIN_LITRES, path.name
            assert signs.dark_share < 0.8 * MIN_DARK_SHARE, path.name
