import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.cases.case_record import CaseRecord
from bundle.evaluation.judge import JudgeSetsd, judge_segmentation, nested_regions
from bundle.evaluation.region_metrics import region_metrics
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from tests.evaluation.sample_scores import MODALITIES, REGIONS

SHAPE = (10, 9, 8)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
T1C, FULL = [False, True, False, False], [True, True, True, True]


def truth() -> torch.Tensor:
    """A block of oedema around one of necrotic core and a rim of enhancing tumour, regions (R, H,
    W, D).
    """
    values = np.zeros(SHAPE, np.uint8)
    values[2:8, 2:7, 2:6] = 2
    values[3:6, 3:6, 3:5] = 3
    values[4, 4, 3:5] = 1
    return torch.from_numpy(DEFAULT_TASK.labels_to_regions(values))


def record(names=MODALITIES) -> str:
    inputs = {name: {"file": f"{name}.nii.gz", "sha256": "0"} for name in names}
    return CaseRecord("case", inputs, (), grid_from_affine(SHAPE, AFFINE)).to_json()


def case(probabilities: list[torch.Tensor], sets: list[list[bool]]) -> dict:
    """A case as ``JudgeSetsd`` gets it; weights are 0.1, 0.2, ... of the modality plus 0.01, 0.02
    of the region.
    """
    image = torch.zeros(4, *SHAPE)
    image[:, 1:9, 1:8, 1:7] = 100.0
    weights = torch.arange(1, 5).unsqueeze(1) / 10 + torch.arange(1, 4) / 100
    pred = {
        "sets": torch.tensor(sets),
        "logits": torch.stack([torch.logit(p.float()) for p in probabilities]),
        "weights": weights.expand(len(sets), 4, 3),
    }
    return {
        "pred": pred,
        "image": MetaTensor(image, affine=AFFINE),
        "label": truth(),
        "record": record(),
    }


def judge(probabilities, sets) -> dict:
    return JudgeSetsd(to_input_grid=lambda data: data)(case(probabilities, sets))


def scores(judged, modality_set, metric) -> dict[str, float]:
    return {
        s.region: s.value
        for s in judged.scores
        if (s.modality_set, s.metric) == (modality_set, metric)
    }


def test_the_truth_itself_is_judged_as_perfect_and_a_blank_as_missed():
    judged = judge([truth() * 0.98 + 0.01, torch.zeros(3, *SHAPE)], [T1C, FULL])["judged"]
    assert scores(judged, "t1c", "dice") == dict.fromkeys(REGIONS, 1.0)
    assert scores(judged, "t1c", "hd95_mm") == dict.fromkeys(REGIONS, 0.0)
    assert scores(judged, "t1n+t1c+t2w+t2f", "dice") == dict.fromkeys(REGIONS, 0.0)
    assert scores(judged, "t1n+t1c+t2w+t2f", "sensitivity") == dict.fromkeys(REGIONS, 0.0)


def test_volumes_are_millilitres_of_the_grid_of_the_files():
    judged = judge([truth() * 0.98 + 0.01], [FULL])["judged"]
    n_voxels = dict(zip(REGIONS, truth().sum(dim=(1, 2, 3)).tolist(), strict=True))
    assert scores(judged, "t1n+t1c+t2w+t2f", "truth_ml") == pytest.approx(
        {r: 2 * n / 1000 for r, n in n_voxels.items()}
    )


def test_weights_are_told_of_the_modalities_of_the_set_alone():
    judged = judge([truth() * 0.5, truth() * 0.5], [T1C, FULL])["judged"]
    assert scores(judged, "t1c", "weight_t1c") == pytest.approx(
        dict(zip(REGIONS, (0.21, 0.22, 0.23), strict=True))
    )
    assert scores(judged, "t1c", "weight_t2f") == {}
    assert scores(judged, "t1n+t1c+t2w+t2f", "weight_t2f")[REGIONS[0]] == pytest.approx(0.41)


def test_calibration_counts_the_voxels_of_the_brain_alone():
    judged = judge([truth() * 0.6 + 0.2], [FULL])["judged"]
    histogram = judged.histograms["t1n+t1c+t2w+t2f", "WT"]
    assert histogram.counts.sum() == 8 * 7 * 6
    assert scores(judged, "t1n+t1c+t2w+t2f", "ece") == pytest.approx(
        dict.fromkeys(REGIONS, 0.2), abs=1e-3
    )
    assert scores(judged, "t1n+t1c+t2w+t2f", "confidence") == pytest.approx(
        dict.fromkeys(REGIONS, 0.8), abs=1e-3
    )


def test_what_lies_outside_the_brain_counts_and_a_missed_region_is_as_far_as_the_grid_is_large():
    """The network's grid is a corner of that of the files, which has tumour elsewhere too."""
    corner, pad = (slice(0, 5), slice(0, 5), slice(0, 4)), (0, 4, 0, 4, 0, 5)
    prediction = torch.stack([truth()[0], truth()[1], torch.zeros(SHAPE)])[(..., *corner)]
    loaded = case([prediction * 0.98], [FULL])
    loaded["image"] = loaded["image"][(..., *corner)]

    def to_input_grid(data):
        return {"pred": torch.nn.functional.pad(data["pred"], pad)}

    judged = JudgeSetsd(to_input_grid)(loaded)["judged"]
    predicted = torch.nn.functional.pad(prediction, pad).numpy() > 0.5
    expected = region_metrics(predicted, truth().numpy() > 0, (1.0, 1.0, 2.0))
    for metric in expected["WT"]:
        of_regions = {region: found[metric] for region, found in expected.items()}
        found = scores(judged, "t1n+t1c+t2w+t2f", metric)
        assert found == pytest.approx(of_regions, nan_ok=True)
    assert expected["ET"]["hd95_mm"] == pytest.approx(np.linalg.norm([10, 9, 16]))
    assert judged.histograms["t1n+t1c+t2w+t2f", "WT"].counts.sum() == 4 * 4 * 3


def test_regions_are_judged_nested_as_they_are_written():
    stray = torch.zeros(3, *SHAPE)
    stray[REGIONS.index("WT"), 2:6] = 1.0
    stray[REGIONS.index("ET"), 4:9] = 1.0  # half of it outside of WT, all of it outside of TC
    judged = judge([stray], [FULL])["judged"]
    written = nested_regions(stray.numpy() > 0.5, DEFAULT_TASK)
    assert all(not (written[inner] & ~written[outer]).any() for inner, outer in ((2, 0), (0, 1)))
    assert scores(judged, "t1n+t1c+t2w+t2f", "predicted_ml") == pytest.approx(
        {region: written[index].sum() * 0.002 for index, region in enumerate(REGIONS)}
    )


def test_the_result_tells_the_dice_of_the_largest_set_and_nothing_large_is_kept():
    done = judge([torch.zeros(3, *SHAPE), truth() * 0.98 + 0.01], [T1C, FULL])
    assert done["result"] == {
        "modalities": list(MODALITIES),
        "dice": dict.fromkeys(REGIONS, 1.0),
        "warnings": [],
    }
    json.dumps(done["result"])
    assert done["judged"].worst.score == 1.0
    assert not {"pred", "image", "label"} & done.keys()


def test_a_region_that_the_truth_does_not_have_makes_no_case_worse():
    without_et = truth()
    without_et[REGIONS.index("ET")] = 0
    loaded = case([truth()], [T1C]) | {"label": without_et}
    values = DEFAULT_TASK.regions_to_labels(truth().numpy() > 0.5)
    judged, facts = judge_segmentation(loaded, values, "given")
    assert facts["dice"] == {"TC": 1.0, "WT": 1.0}
    assert judged.worst.score == 1.0
    assert scores(judged, "given", "dice")["ET"] == 0.0


@pytest.mark.parametrize(("value", "score"), [(0, 1.0), (2, 0.0)])
def test_a_case_without_tumour_is_as_good_as_nothing_is_found_there(value, score):
    loaded = case([truth()], [T1C]) | {"label": torch.zeros_like(truth())}
    values = np.zeros(SHAPE, np.uint8)
    values[3, 3, 3] = value
    judged, facts = judge_segmentation(loaded, values, "given")
    assert facts["dice"] == {}
    assert judged.worst.score == score


def test_a_bare_segmentation_is_judged_without_calibration():
    loaded = case([truth()], [T1C])
    values = np.zeros(SHAPE, np.uint8)
    values[2:8, 2:7, 2:6] = 2
    judged, facts = judge_segmentation(loaded, values, "given")
    assert {score.modality_set for score in judged.scores} == {"given"}
    assert not {"ece", "confidence", "weight_t1c"} & {score.metric for score in judged.scores}
    assert judged.histograms == {}
    assert facts["dice"] == {"TC": 0.0, "WT": 1.0, "ET": 0.0}
