"""What one more modality changed, in the cases that were judged with and without it."""

from typing import Any

from bundle.evaluation.metrics import DICE
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.intervals import bootstrap_means
from bundle.evaluation.task_names import set_members

Gains = dict[str, dict[str, dict[str, dict[str, Any]]]]


def gains_of_one_more(table: ScoreTable, seed: int = 0) -> Gains:
    """Average over cases the Dice from a modality set with one more, less that from the set.

    Args:
        table: judged modality sets.
        seed: of the bootstrap over cases.

    Returns:
        Name of a set to a modality that is not in it to a region to the `Interval` of the
        difference, as JSON; regions that a case does not have in truth are left out of it. Only
        sets of which both were judged.
    """
    dice = table.values(DICE.name)
    places = {frozenset(set_members(name)): index for index, name in enumerate(table.sets)}
    found: Gains = {}
    for members, index in places.items():
        for modality in table.names.modalities:
            larger = places.get(members | {modality})
            if not members or larger is None or modality in members:
                continue
            intervals = bootstrap_means(dice[:, larger] - dice[:, index], seed)
            of_set = found.setdefault(table.names.set_name(members), {})
            of_set[modality] = {
                region: interval.to_json()
                for region, interval in zip(table.regions, intervals, strict=True)
                if interval.n
            }
    return found
