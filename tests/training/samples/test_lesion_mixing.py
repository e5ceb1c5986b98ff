import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from scipy.stats import kstest

from bundle.tasks.default import DEFAULT_TASK
from bundle.training.samples.lesion_mixing import DONOR, RandLesionMixd, carve, place

REGIONS = DEFAULT_TASK.region_names

SHAPE, DONOR_SHAPE = (24, 26, 22), (28, 24, 26)
RADII_MM = {"WT": 6, "TC": 4, "ET": 2}


def ball(shape, radius_mm, centre=None):
    axes = [
        torch.arange(n) - (n // 2 if centre is None else centre[axis])
        for axis, n in enumerate(shape)
    ]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return (grid.float() ** 2).sum(0).sqrt() <= radius_mm


def case(shape, *, centre=None, seed=0, presence=(True,) * 4, scale=1.0):
    """Draw a brain of noise that leaves a margin of background, with three balls as tumour."""
    generator = torch.Generator().manual_seed(seed)
    brain = torch.zeros(shape, dtype=torch.bool)
    brain[1:-1, 1:-1, 1:-1] = True
    image = (
        torch.randn(4, *shape, generator=generator)
        * brain
        * torch.tensor(presence).reshape(4, 1, 1, 1)
    )
    label = torch.stack(
        [ball(shape, scale * RADII_MM[region], centre) for region in REGIONS]
    ).float()
    return {
        "case_id": f"case{seed}",
        "image": MetaTensor(image, affine=torch.eye(4).double()),
        "label": MetaTensor(label, affine=torch.eye(4).double()),
        "presence": torch.tensor(presence),
    }


def mix(recipient, donor, seed=0):
    return RandLesionMixd(["image", "label"]).set_random_state(seed=seed)(
        {**recipient, DONOR: donor}
    )


def changed(mixed, recipient):
    """Tell which voxels of the image are not the recipient's, in any modality."""
    return (mixed["image"].as_tensor() != recipient["image"].as_tensor()).any(0)


def is_same(one, two):
    return all(
        torch.equal(one[key].as_tensor(), two[key].as_tensor()) for key in ("image", "label")
    )


@pytest.mark.parametrize("seed", range(8))
def test_inside_the_carved_region_all_is_the_donors_and_outside_all_is_the_recipients(seed):
    recipient, donor = case(SHAPE, centre=(16, 13, 8), seed=1, scale=0.5), case(DONOR_SHAPE, seed=2)
    mixed = mix(recipient, donor, seed)
    region = changed(mixed, recipient)
    assert region.any()
    shift = [
        (new - old) // 2 for new, old in zip(SHAPE, DONOR_SHAPE, strict=True)
    ]  # the donor's tumour is central
    target = region.nonzero()
    source = target - torch.tensor(shift)
    for key in ("image", "label"):
        own, other, result = (sample[key].as_tensor() for sample in (recipient, donor, mixed))
        assert torch.equal(result[(slice(None), *target.T)], other[(slice(None), *source.T)])
        assert torch.equal(result[:, ~region], own[:, ~region])


@pytest.mark.parametrize("seed", range(8))
def test_regions_stay_nested_where_tumours_overlap(seed):
    mixed = mix(case(SHAPE, centre=(10, 12, 13), seed=1), case(DONOR_SHAPE, seed=2), seed)
    core, whole, enhancing = (
        mixed["label"][REGIONS.index(region)] > 0 for region in ("TC", "WT", "ET")
    )
    assert not (enhancing & ~core).any()
    assert not (core & ~whole).any()


def test_the_same_seed_cuts_alike_and_another_differs():
    recipient, donor = case(SHAPE, seed=1), case(DONOR_SHAPE, seed=2)
    assert is_same(mix(recipient, donor, 5), mix(recipient, donor, 5))
    assert not is_same(mix(recipient, donor, 5), mix(recipient, donor, 6))


def test_a_composition_seeds_the_cut():
    recipient, donor = case(SHAPE, seed=1), case(DONOR_SHAPE, seed=2)
    composed = Compose([RandLesionMixd()])
    one, two, again = (
        composed.set_random_state(seed)({**recipient, DONOR: donor}) for seed in (1, 2, 1)
    )
    assert is_same(one, again)
    assert not is_same(one, two)


def test_neither_recipient_nor_donor_is_written_to():
    recipient, donor = case(SHAPE, seed=1), case(DONOR_SHAPE, seed=2)
    mixed = mix(recipient, donor)
    assert is_same(recipient, case(SHAPE, seed=1))
    assert is_same(donor, case(DONOR_SHAPE, seed=2))
    assert torch.equal(mixed["image"].affine, recipient["image"].affine)
    assert mixed["case_id"] == recipient["case_id"]


UNSUITABLE = {
    "none": None,
    "fewer modalities": case(DONOR_SHAPE, seed=2, presence=(True, True, False, True)),
    "no tumour": {**case(DONOR_SHAPE, seed=2), "label": torch.zeros(3, *DONOR_SHAPE)},
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_without_a_suitable_donor_the_sample_stays_as_it_is(name):
    recipient = case(SHAPE, seed=1)
    mixed = mix(recipient, UNSUITABLE[name])
    assert DONOR not in mixed
    assert is_same(mixed, recipient)


def test_prob_0_never_mixes_but_drops_the_donor():
    recipient = case(SHAPE, seed=1)
    mixed = RandLesionMixd(prob=0.0)({**recipient, DONOR: case(DONOR_SHAPE, seed=2)})
    assert DONOR not in mixed
    assert is_same(mixed, recipient)


def test_a_modality_that_the_recipient_lacks_stays_0():
    presence = (True, False, True, False)
    recipient = case(SHAPE, seed=1, presence=presence)
    mixed = mix(recipient, case(DONOR_SHAPE, seed=2))
    assert changed(mixed, recipient).any()
    assert not mixed["image"][[1, 3]].any()


@pytest.mark.parametrize("seed", range(8))
def test_background_stays_background_and_no_hole_is_pasted_into_the_brain(seed):
    """Also where the tumour reaches the edge of one brain and beyond that of the other."""
    recipient = case(SHAPE, seed=1)
    mixed = mix(recipient, case(DONOR_SHAPE, centre=(3, 20, 12), seed=2), seed)
    assert changed(mixed, recipient).any()
    assert torch.equal((mixed["image"] != 0).as_tensor(), (recipient["image"] != 0).as_tensor())


def distances_mm(tumour):
    """Measure from every voxel to every other: the signed distance to half way between inside and
    outside.
    """
    voxels = torch.cartesian_prod(*(torch.arange(n) for n in tumour.shape)).double()
    inside = tumour.flatten()
    lengths = torch.cdist(voxels, voxels, compute_mode="donot_use_mm_for_euclid_dist")
    to_outside, to_inside = (lengths[:, others].amin(1) - 0.5 for others in (~inside, inside))
    return torch.where(inside, -to_outside, to_inside).reshape(tumour.shape)


@pytest.mark.parametrize("reach", [-0.5, -0.3, 0.0, 0.4, 0.97])
def test_the_cut_follows_the_contour_at_its_distance(reach):
    tumour = ball((13, 12, 14), 3)
    depth_mm = 10**0.5 - 0.5  # the voxel nearest to the centre that is outside is 3, 1, 0 away
    carved = torch.zeros(tumour.shape, dtype=torch.bool)
    carved[tuple(carve(tumour, reach).T)] = True
    distance_mm = distances_mm(tumour)
    assert -distance_mm.min() == pytest.approx(depth_mm)
    assert torch.equal(carved, distance_mm < reach * depth_mm)


def test_a_tumour_that_fills_the_volume_can_be_carved():
    tumour = torch.ones(5, 6, 7, dtype=torch.bool)
    assert len(carve(tumour, 0.0)) == len(carve(tumour, 1.0)) == 5 * 6 * 7
    assert 0 < len(carve(tumour, -0.5)) < 5 * 6 * 7


def test_a_single_voxel_can_be_carved_at_any_reach():
    tumour = torch.zeros(5, 6, 7, dtype=torch.bool)
    tumour[4, 0, 3] = True
    assert carve(tumour, -0.5).tolist() == carve(tumour, 0.9).tolist() == [[4, 0, 3]]


def test_half_of_the_cuts_are_inside_and_both_halves_are_uniform():
    transform = RandLesionMixd().set_random_state(seed=0)
    reaches = []
    for _ in range(2000):
        transform.randomize()
        reaches.append(transform.reach)
    inside, outside = (
        [reach for reach in reaches if (reach < 0) == flag] for flag in (True, False)
    )
    assert abs(len(inside) / 2000 - 0.5) < 0.05
    assert kstest(inside, "uniform", args=(-0.5, 0.5)).pvalue > 0.01
    assert kstest(outside, "uniform", args=(0.0, 1.0)).pvalue > 0.01


def test_the_place_is_the_same_share_of_each_side():
    voxels = torch.cartesian_prod(torch.arange(8, 12), torch.arange(2, 4), torch.arange(10, 16))
    source, target = place(voxels, torch.Size((20, 10, 20)), torch.Size((40, 10, 10)))
    assert torch.equal(source, voxels)
    assert (target - source).unique(dim=0).tolist() == [
        [10, 0, -6]
    ]  # middles 10, 3, 13 go to 20, 3, 6.5


def test_voxels_that_would_lie_outside_are_left_out():
    voxels = torch.cartesian_prod(torch.arange(0, 20), torch.tensor([1]), torch.tensor([2]))
    source, target = place(voxels, torch.Size((20, 5, 5)), torch.Size((10, 5, 5)))
    assert target[:, 0].tolist() == list(range(10))
    assert source[:, 0].tolist() == list(range(5, 15))


def test_an_image_and_a_label_are_needed():
    with pytest.raises(ValueError, match="keys must name an image and a label; got"):
        RandLesionMixd(["image"])


def test_what_is_carved_is_the_union_of_all_regions_whatever_their_order():
    recipient, donor = case(SHAPE), case(SHAPE, seed=1)
    turned = {**donor, "label": donor["label"][[1, 2, 0]]}
    first, second = mix(recipient, donor), mix(recipient, turned)
    assert torch.equal(first["image"].as_tensor(), second["image"].as_tensor())
    apart = {**donor, "label": donor["label"].clone()}
    apart["label"][1] = 0  # the outermost region is empty: the others are carved
    assert changed(mix(recipient, apart), recipient).any()
