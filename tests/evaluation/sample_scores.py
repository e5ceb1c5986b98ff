"""Tasks and tables of scores that several test modules use."""

from collections.abc import Iterable

from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.task_names import TaskNames
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.task import Task

MODALITIES = DEFAULT_TASK.modality_names
REGIONS = DEFAULT_TASK.region_names
NAMES = TaskNames.of(DEFAULT_TASK)
SETS = NAMES.all_sets[:-1]

LUNG = Task(
    name="lung",
    title="Lung",
    finding="nodule",
    modalities=(Modality("ct", "CT"), Modality("pet", "PET"), Modality("adc", "ADC")),
    labels=(Label(1, "nodule", "#123456"),),
    regions=(Region("N", "nodule", (1,), "#abcdef"),),
    numberings={"lung": Numbering("lung", {1: 1})},
    shown_first=("adc", "ct", "pet"),
    opened_first=("ct", "pet", "adc"),
)
"""A task of three modalities and one region."""


def table_of(scores: Iterable[Score]) -> ScoreTable:
    return ScoreTable(scores, NAMES)


def rising_scores(
    cases="abcdef", sets=("t1c",), region="ET", shift=0.0, **more: float
) -> list[Score]:
    """Dice is 0.1 for case a, 0.2 for b and so on, and 0.01 more with every further set."""
    scores = []
    for case in cases:
        for index, name in enumerate(sets):
            values = {
                "dice": 0.1 * (ord(case) - 96) + 0.01 * index + shift,
                "hd95_mm": 5.0 - shift,
                "truth_ml": 1.0,
                **more,
            }
            scores += [Score(case, name, region, *item) for item in values.items()]
    return scores


def rising_run(*arguments, **options) -> ScoreTable:
    return table_of(rising_scores(*arguments, **options))
