import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.inference.maps import ActivateMixtured, SplitMapsd
from bundle.inference.placement import Placement
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from bundle.weights.calibration import Calibration
from tests.tasks.small_task import SMALL_TASK

MODALITIES, REGIONS = DEFAULT_TASK.modality_names, DEFAULT_TASK.region_names
SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
M, R, SHAPE = 4, 3, (5, 6, 7)
TC, WT, ET = range(3)


def make_record(flags=(True,) * M, spacing=(1.0, 1.0, 1.0), warnings=()):
    acquired = [modality for modality, flag in zip(MODALITIES, flags, strict=True) if flag]
    inputs = {modality: {"file": f"{modality}.nii.gz", "sha256": "0" * 64} for modality in acquired}
    missing = tuple(modality for modality in MODALITIES if modality not in acquired)
    grid = grid_from_affine(SHAPE, np.diag([*spacing, 1.0]))
    return CaseRecord("case7", inputs, warnings, grid, missing).to_json()


def make_weights(flags=(True,) * M):
    """(M, R, ...) that differ in every voxel, 0 where absent, summing to 1."""
    weights = torch.rand(M, R, *SHAPE) + 0.1
    weights[~torch.tensor(flags)] = 0
    return weights / weights.sum(dim=0)


def activated(flags=(True,) * M, *, per_region=False, logits=None):
    logits = torch.randn(R, *SHAPE) * 3 if logits is None else logits
    weights = make_weights(flags)
    pred = {"logits": logits, "weights": weights, "mean_weights": weights.flatten(2).mean(dim=2)}
    if not per_region:
        pred["weights"] = weights.mean(dim=1, keepdim=True)
    return ActivateMixtured()({"pred": pred, "record": make_record(flags)})


def split(probabilities, weights=None, **options):
    """SplitMapsd on probabilities alone, with weights of no further interest."""
    weights = torch.full((M, *SHAPE), 1 / M) if weights is None else weights
    case = {"probabilities": probabilities, "weights": weights, "record": make_record()}
    return SplitMapsd(**options)({**case, "mean_weights": torch.full((M, R), 1 / M)})


@SETS
@pytest.mark.parametrize("per_region", [False, True], ids=["mean", "per region"])
def test_weights_are_shares_in_every_voxel_and_zero_for_absent_modalities(flags, per_region):
    case = SplitMapsd()(activated(flags, per_region=per_region))
    weights = case["weights"].unflatten(0, (M, -1))
    assert weights.shape == (M, R if per_region else 1, *SHAPE)
    assert torch.allclose(weights.sum(dim=0), torch.ones(1), atol=1e-6)
    assert (weights[~torch.tensor(flags)] == 0).all()


@SETS
def test_voxels_that_no_window_covered_get_the_mean_weights_of_the_case(flags):
    case = activated(flags)
    for maps in (case["probabilities"], case["weights"]):
        maps[:, 0], maps[:, :, 3] = 0, 0  # as Invertd pads: no probability, no weight
    means = case["mean_weights"].mean(dim=1)
    weights = SplitMapsd()(case)["weights"]
    assert torch.allclose(weights[:, 0], means[:, None, None].expand(-1, *SHAPE[1:]))
    assert torch.allclose(weights.sum(dim=0), torch.ones(SHAPE), atol=1e-6)


def test_weights_that_interpolation_shrank_are_shares_again():
    shrunk = make_weights().mean(dim=1) * 0.7
    weights = split(torch.zeros(R, *SHAPE), shrunk)["weights"]
    assert torch.allclose(weights, shrunk / 0.7, atol=1e-6)


def test_probabilities_are_the_sigmoid_of_the_logits_and_weights_stay_by_modality_and_region():
    logits, weights, means = torch.randn(R, *SHAPE), make_weights(), torch.rand(M, R)
    pred = {"logits": logits, "weights": weights, "mean_weights": means}
    case = ActivateMixtured()({"pred": pred})
    assert torch.allclose(case["probabilities"], 1 / (1 + torch.exp(-logits)))
    assert torch.equal(case["weights"].unflatten(0, (M, R)), weights)
    assert torch.equal(case["mean_weights"], means)
    assert "pred" not in case


@pytest.mark.parametrize(
    ("inside", "label"),
    [
        ((), 0),
        (("WT",), 2),
        (("TC", "WT"), 1),
        (("TC", "WT", "ET"), 3),
        (("WT", "ET"), 2),
        (("TC",), 0),
        (("ET",), 0),
        (("TC", "ET"), 0),
    ],
    ids=str,
)
def test_regions_are_nested_in_the_label_map(inside, label):
    probabilities = torch.tensor([0.9 if region in inside else 0.1 for region in REGIONS])
    case = split(probabilities[:, None, None, None].expand(-1, *SHAPE))
    assert case["pred"].dtype == torch.uint8
    assert case["pred"].shape == (1, *SHAPE)
    assert (case["pred"] == label).all()


def test_even_odds_are_not_tumour():
    assert (split(torch.full((R, *SHAPE), 0.5))["pred"] == 0).all()


def test_entropy_is_the_largest_of_the_regions_binary_entropies_in_bits():
    probabilities = torch.rand(R, *SHAPE)
    p = probabilities.double().numpy()
    regions = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    entropy = split(probabilities, entropy_per_region=True)["entropy"]
    assert entropy.shape == (1 + R, *SHAPE)
    assert np.allclose(entropy[0], regions.max(axis=0), atol=1e-5)
    assert np.allclose(entropy[1:], regions, atol=1e-5)
    assert torch.equal(split(probabilities)["entropy"], entropy[:1])


@pytest.mark.parametrize("beyond", [-1e-7, 1 + 1e-7, -0.0])
def test_probabilities_that_interpolation_pushed_out_of_their_range_give_no_nan(beyond):
    case = split(torch.full((R, *SHAPE), beyond))
    assert (case["entropy"] == 0).all()


@SETS
def test_no_map_is_nan_even_at_the_extremes_of_the_logits(flags):
    logits = torch.tensor([-200.0, 0.0, 200.0])[:, None, None, None].expand(-1, *SHAPE)
    case = SplitMapsd(entropy_per_region=True)(activated(flags, logits=logits))
    assert all(torch.isfinite(case[name].float()).all() for name in ("pred", "entropy", "weights"))


def test_volumes_are_voxels_times_the_size_of_a_voxel():
    probabilities = torch.zeros(R, *SHAPE)
    probabilities[WT, :3] = 1  # 3 x 6 x 7 = 126 voxels
    probabilities[TC, :2] = 1  # 84 of them
    probabilities[ET, 0, 0] = 1  # 7 of those
    case = {
        "probabilities": probabilities,
        "weights": torch.full((M, *SHAPE), 1 / M),
        "mean_weights": torch.zeros(M, R),
        "record": make_record(spacing=(0.5, 2.0, 5.0)),  # 5 cubic mm each
    }
    result = SplitMapsd()(case)["result"]
    assert result["volumes_ml"] == {
        "necrotic core": 0.385,
        "oedema": 0.21,
        "enhancing tumour": 0.035,
    }


@SETS
def test_the_result_names_acquired_and_missing_modalities_and_gives_weights_of_the_acquired_only(
    flags,
):
    result = SplitMapsd()(activated(flags))["result"]
    assert result["modalities"] == [m for m, flag in zip(MODALITIES, flags, strict=True) if flag]
    assert result["missing"] == [m for m, flag in zip(MODALITIES, flags, strict=True) if not flag]
    assert list(result["mean_weights"]) == result["modalities"]
    for region in REGIONS:
        assert sum(share[region] for share in result["mean_weights"].values()) == pytest.approx(
            1, abs=2e-4
        )


def test_mean_weights_in_the_result_are_those_of_modality_and_region():
    means = torch.tensor([[0.4, 0.3, 0.2], [0.1, 0.2, 0.3], [0.25, 0.4, 0.1], [0.25, 0.1, 0.4]])
    case = {
        "probabilities": torch.zeros(R, *SHAPE),
        "weights": torch.zeros(M, *SHAPE),
        "mean_weights": means,
        "record": make_record(warnings=("t1c: odd",)),
    }
    result = SplitMapsd()(case)["result"]
    assert result["mean_weights"]["t2w"] == {"TC": 0.25, "WT": 0.4, "ET": 0.1}
    assert result["warnings"] == ["t1c: odd"]
    assert result["case_id"] == "case7"


def test_mean_entropy_is_over_the_tumour_and_missing_where_there_is_none():
    probabilities = torch.full((R, *SHAPE), 0.1)
    assert split(probabilities)["result"]["mean_entropy_in_tumour"] is None
    probabilities[:, 2] = 0.8
    expected = -(0.8 * math.log2(0.8) + 0.2 * math.log2(0.2))
    assert split(probabilities)["result"]["mean_entropy_in_tumour"] == pytest.approx(
        expected, abs=1e-4
    )


def test_a_case_without_tumour_has_volumes_of_zero():
    assert split(torch.zeros(R, *SHAPE))["result"]["volumes_ml"] == dict.fromkeys(
        list(DEFAULT_TASK.label_names.values())[1:], 0.0
    )


def test_the_label_map_keeps_the_metadata_of_the_prediction():
    affine = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    case = split(MetaTensor(torch.zeros(R, *SHAPE), affine=affine))
    assert torch.equal(case["pred"].affine, affine)


def test_maps_in_a_box_are_the_whole_maps_cut_out():
    box = (slice(1, 4), slice(0, 6), slice(2, 7))
    small = (3, 6, 5)
    probabilities, weights = torch.rand(R, *small), torch.rand(M, *small)
    whole = {"probabilities": torch.zeros(R, *SHAPE), "weights": torch.zeros(M, *SHAPE)}
    whole["probabilities"][(slice(None), *box)] = probabilities
    whole["weights"][(slice(None), *box)] = weights
    others = {"record": make_record(), "mean_weights": torch.rand(M, R)}
    boxed = {"probabilities": probabilities, "weights": weights, "placement": Placement(SHAPE, box)}
    options = SplitMapsd(entropy_per_region=True)
    got, expected = options({**boxed, **others}), options({**whole, **others})
    for name in ("pred", "entropy", "weights"):
        assert torch.allclose(got[name], expected[name], atol=1e-6), name
    assert got["result"] == expected["result"]
    assert "placement" not in got


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("name", "place"),
    [("probabilities", (0, 1, 2, 3)), ("weights", (0, 0, 0, 0)), ("weights", (M - 1, 4, 5, 6))],
)
def test_a_voxel_that_is_no_number_is_refused_instead_of_becoming_background(value, name, place):
    probabilities, weights = torch.full((R, *SHAPE), 0.5), torch.full((M, *SHAPE), 1 / M)
    {"probabilities": probabilities, "weights": weights}[name][place] = value
    with pytest.raises(CaseError, match="case7: the network must give a number") as caught:
        split(probabilities, weights)
    assert caught.value.code == "E_NOT_FINITE"


def test_another_task_gives_the_numbers_the_names_and_the_labels():
    weights = torch.rand(2, 1, *SHAPE) + 0.1
    weights /= weights.sum(dim=0)
    logits = torch.full((1, *SHAPE), -9.0)
    logits[:, :2] = 9
    grid = grid_from_affine(SHAPE, np.eye(4))
    inputs = {"t2f": {"file": "t2f.nii.gz", "sha256": "0" * 64}}
    case = {
        "pred": {
            "logits": logits,
            "weights": weights,
            "mean_weights": weights.flatten(2).mean(dim=2),
        },
        "record": CaseRecord("case7", inputs, (), grid).to_json(),
    }
    case = SplitMapsd(task=SMALL_TASK)(ActivateMixtured()(case))
    assert torch.equal(case["pred"][0] > 0, logits[0] > 0)
    assert torch.allclose(case["weights"], weights[:, 0], atol=1e-6)
    assert case["result"]["volumes_ml"] == {"lesion": 0.084}
    mean = float(weights[0].mean())
    assert case["result"]["mean_weights"] == {"t2f": {"lesion": pytest.approx(mean, abs=1e-4)}}


CALIBRATION = Calibration(
    "ab" * 32,
    "brain_tumours",
    8,
    {"TC": {"4": 2.0}, "WT": {"4": 0.5}, "ET": {"4": 1.0}},
    {"TC": {"4": 1.0}, "WT": {"4": None}, "ET": {"4": 0.0}},
    0.8,
    {"t1c+t2f": {"t1n": {"ET": {"mean": 0.1, "low": 0.0, "high": 0.2, "n": 8}}}},
)


def test_a_calibration_divides_logits_and_leaves_decisions():
    logits = torch.randn(R, *SHAPE)
    pred = {"logits": logits, "weights": make_weights(), "mean_weights": torch.full((M, R), 0.25)}
    case = {"pred": pred, "record": make_record()}
    plain = ActivateMixtured()(case)["probabilities"]
    cooled = ActivateMixtured(CALIBRATION)(case)["probabilities"]
    assert torch.equal(plain > 0.5, cooled > 0.5)
    for index, divisor in enumerate((2.0, 0.5, 1.0)):
        assert torch.allclose(cooled[index], torch.sigmoid(logits[index] / divisor))


def test_intervals_of_regions_are_told_where_the_calibration_knows_them():
    probabilities = torch.rand(R, *SHAPE)
    result = split(probabilities, calibration=CALIBRATION)["result"]
    assert list(result["region_intervals_ml"]) == ["TC", "ET"]
    assert result["interval_level"] == 0.8
    ml = result["region_intervals_ml"]["TC"]
    limit = 1 / (1 + math.exp(-1))
    counts = [int((probabilities[0] > end).sum()) for end in (limit, 1 - limit)]
    voxel = abs(np.linalg.det(CaseRecord.from_json(make_record()).grid.affine[:3, :3])) / 1000
    assert ml == pytest.approx([count * voxel for count in counts], abs=1e-3)
    assert "region_intervals_ml" not in split(probabilities)["result"]


def test_what_a_missing_modality_changed_in_judged_cases_is_told():
    flags = (False, True, False, True)
    case = activated(flags)
    found = SplitMapsd(calibration=CALIBRATION)(case)["result"]["gains_of_missing"]
    assert found == {"t1n": {"ET": {"mean": 0.1, "low": 0.0, "high": 0.2, "n": 8}}}
    assert SplitMapsd(calibration=CALIBRATION)(activated())["result"]["gains_of_missing"] == {}
