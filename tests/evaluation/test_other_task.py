"""A task of three modalities and one region, from predictions to pictures and comparisons."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from monai.data import MetaTensor
from typer.testing import CliRunner

from bundle.cases.case_record import CaseRecord
from bundle.cli.app import app
from bundle.evaluation.judge import JudgedCase, JudgeSetsd, judge_segmentation
from bundle.evaluation.judged_run import read_scores, read_summary
from bundle.evaluation.reports.pictures import (
    draw_dice_per_set,
    draw_reliability,
    draw_weights,
    draw_worst_cases,
)
from bundle.evaluation.reports.report import EvaluationReport
from bundle.evaluation.statistics.comparison import compare
from bundle.evaluation.task_names import GIVEN, TaskNames
from bundle.volumes.geometry import grid_from_affine
from tests.evaluation.sample_scores import LUNG

SHAPE = (10, 9, 8)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SETS = TaskNames.of(LUNG).all_sets[:-1]
N_CASES = 4


def nodule(size: int) -> np.ndarray:
    """A label map with a block of size x 4 x 4 voxels."""
    values = np.zeros(SHAPE, np.uint8)
    values[2 : 2 + size, 2:6, 2:6] = 1
    return values


def loaded(index: int) -> dict:
    """A case, on the grid of its files."""
    image = torch.zeros(3, *SHAPE)
    image[:, 1:9, 1:8, 1:7] = 100.0
    inputs = {name: {"file": f"{name}.nii.gz", "sha256": "0"} for name in LUNG.modality_names}
    record = CaseRecord(f"case-{index}", inputs, (), grid_from_affine(SHAPE, AFFINE))
    return {
        "image": MetaTensor(image, affine=AFFINE),
        "label": torch.from_numpy(LUNG.labels_to_regions(nodule(4))),
        "record": record.to_json(),
    }


def judged(index: int, *, sizes: dict[str, int]) -> JudgedCase:
    """Judge nodules of the given sizes; a modality trusts itself the more the later it comes."""
    flags = torch.tensor(LUNG.all_sets())
    found = [torch.from_numpy(nodule(sizes[name]))[None] * 0.98 + 0.01 for name in SETS]
    weights = torch.tensor([[0.1], [0.3], [0.6]]).expand(len(SETS), 3, 1)
    pred = {"sets": flags, "logits": torch.logit(torch.stack(found)), "weights": weights}
    done = JudgeSetsd(lambda data: data, task=LUNG)({**loaded(index), "pred": pred})
    assert done["result"]["modalities"] == ["ct", "pet", "adc"]
    assert list(done["result"]["dice"]) == ["N"]
    return done["judged"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Folders of two runs: one better the more modalities there are, one always the same."""
    folders = {}
    for name in ("growing", "constant"):
        folders[name] = tmp_path_factory.mktemp(name)
        made = EvaluationReport(folders[name], task=LUNG)
        for index in range(N_CASES):
            grown = {chosen: 1 + chosen.count("+") + index % 2 for chosen in SETS}
            sizes = grown if name == "growing" else dict.fromkeys(SETS, 2)
            made.add(judged(index, sizes=sizes))
        made.write()
    return folders


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_all_seven_sets_and_the_one_region_are_judged(reports):
    table = read_scores(reports["growing"])
    assert table.sets == ("ct", "pet", "adc", "ct+pet", "ct+adc", "pet+adc", "ct+pet+adc")
    assert table.regions == ("N",)
    # Blocks of 1, 2 and 3 in one of 4, those of odd cases larger by one.
    expected = [[2 * size / (size + 4) for size in sizes] for sizes in ((1, 2, 3), (2, 3, 4))]
    dice = table.values("dice")[:2, [0, 3, 6], 0]
    np.testing.assert_allclose(dice, expected, atol=1e-6)
    assert {"weight_ct", "weight_pet", "weight_adc"} < set(table.metrics)


def test_the_report_has_three_columns_of_dots_and_one_of_the_region(reports):
    text = (reports["growing"] / "report.md").read_text(encoding="utf-8")
    dice = rows(text.split("## Dice")[1].split("##")[0])
    assert dice[0] == ["CT", "PET", "ADC", "N"]
    assert [row[:3].count("●") for row in dice[2:9]] == [1, 1, 1, 2, 2, 2, 3]
    assert dice[9][:3] == ["mean", "", ""]
    assert len(dice) == 10
    assert "N, CT+PET+ADC | N, mean of 7 sets" in text
    tex = (reports["growing"] / "tables.tex").read_text(encoding="utf-8")
    assert r"\begin{tabular}{cccr}" in tex
    assert r"\multicolumn{3}{l}{mean}" in tex
    assert re.search(r"T1|FLAIR|WT", text + tex) is None


def test_the_reliability_is_that_of_the_region(reports):
    with (reports["growing"] / "reliability.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert {row["region"] for row in found} == {"N"}
    assert {row["set"] for row in found} == set(SETS)


def panels(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_pictures_have_the_modalities_the_region_and_its_colour(reports):
    summary = read_summary(reports["growing"])
    figure = draw_dice_per_set(summary, LUNG)
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["CT", "PET", "ADC"]
    assert {line.get_color() for line in figure.axes[0].lines} == {"#abcdef"}
    weights = draw_weights(summary)
    assert panels(weights) == ["N"]
    assert weights.axes[0].images[0].get_array().shape == (7, 3)
    reliability = draw_reliability({"N": [(0.0, 1.0, 5, 0.5, 0.5)]}, LUNG)
    assert panels(reliability) == ["N"]
    worst = judged(0, sizes=dict.fromkeys(SETS, 1)).worst
    shown = draw_worst_cases([worst], LUNG)
    assert len(shown.axes[0].collections) == 2
    assert [text.get_text() for text in shown.legends[0].get_texts()] == [
        "N",
        "truth",
        "prediction",
    ]
    assert {path.name for path in reports["growing"].glob("*.png")} == {
        "dice_per_set.png",
        "gate_weights.png",
        "reliability.png",
        "worst_cases.png",
    }


def test_the_summary_stores_what_the_task_calls_things(reports):
    facts = json.loads((reports["growing"] / "summary.json").read_text(encoding="utf-8"))
    assert facts["task"] == {
        "name": "lung",
        "modalities": {"ct": "CT", "pet": "PET", "adc": "ADC"},
        "regions": ["N"],
    }
    assert list(facts["weights_and_performance"]) == ["ct", "pet", "adc"]
    assert facts["counter_intuitive"]["N"]["n_pairs"] == N_CASES * 12


def test_runs_are_compared_by_the_command_that_knows_the_task_from_their_files(reports, tmp_path):
    runs = [str(folder) for folder in reports.values()]
    done = CliRunner().invoke(
        app, ["compare", *runs, "--out", str(tmp_path / "c"), "--metric", "weight_pet"]
    )
    assert done.exit_code == 0, done.output
    assert "weight of PET" in done.output
    facts = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))
    assert facts["sets"] == list(SETS)
    assert facts["regions"] == ["N"]


def test_a_label_map_is_judged_beside_one_set_of_a_network(reports, tmp_path):
    made = EvaluationReport(tmp_path, task=LUNG)
    for index in range(N_CASES):
        judgement, facts = judge_segmentation(loaded(index), nodule(4), GIVEN, task=LUNG)
        assert facts["dice"] == {"N": 1.0}
        made.add(judgement)
    made.write()
    assert "| CT | PET | ADC | N |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    network = read_scores(reports["growing"]).as_given("ct+pet+adc")
    compared = compare({"network": network, "maps": read_scores(tmp_path)})
    assert compared.sets == (GIVEN,)
    assert compared.mean["N"]["maps"].mean.mean == 1.0
    # 2 * 3 / 7 and 1, for which the network is 1/14 behind on average.
    assert compared.mean["N"]["maps"].difference.mean == pytest.approx(1 / 14, abs=1e-5)
