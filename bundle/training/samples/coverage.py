"""Hides modalities of training cases, to learn what their absence in training costs."""

import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

from bundle.datasets.case_files import case_files, case_label
from bundle.errors import UsageError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")

Item = dict[str, Any]


def hide_modalities(
    cases: Sequence[Item], coverage: Mapping[str, float], seed: int, task: Task = DEFAULT_TASK
) -> tuple[Item, ...]:
    """Leave a modality only to a share of the cases that have it, and take its file from the
    others.

    Every modality named keeps round(share x cases that have it), at least one: an expert without
    any case cannot be trained. A case that would be left with nothing keeps the modality and counts
    among those that do, first of all; only if there are more such cases than the share allows, more
    are kept, and the log says so. After them the cases that keep a modality are the first of a
    seeded order: those of a smaller share are among those of a larger one, as long as the shares of
    the other modalities are the same.

    Args:
        cases: dictionaries with ``case_id`` and ``image``; folders are resolved to files.
        coverage: modality to share, 0 to 1; modalities that are not named stay as they are.
        seed: draws the cases, for each modality on its own and whatever the order of the cases.
        task: has the modalities.

    Returns:
        The cases in the order given, as new dictionaries.

    Raises:
        UsageError: an unknown modality, or a share that is none.

    Source: Li et al., SimMLM, arXiv:2507.19264, Fig. A2 of the supplement (coverage of 5 to 50 %).
    """
    shares = _checked(coverage, task)
    images = {str(case["case_id"]): case_files(case, task=task) for case in cases}
    for modality in task.in_order(shares):
        for case_id in _to_hide(images, modality, shares[modality], seed):
            del images[case_id][modality]
    return tuple(_with_files(case, images[str(case["case_id"])], task) for case in cases)


def trainable_cases(
    cases: Sequence[Item],
    modalities: Sequence[str],
    start_from: Any = None,
    task: Task = DEFAULT_TASK,
) -> Sequence[Item]:
    """Return training cases of which each modality's expert can learn, or refuse them before any
    is read.

    An expert without a case would stay as it was drawn at random, and stand in the final weights as
    if trained.

    Args:
        cases: dictionaries with ``case_id`` and ``image``.
        modalities: those that are to be trained.
        start_from: weights that hold all experts already, of whatever training; then nothing is
            missing.
        task: has the modalities.

    Raises:
        UsageError: E_EXPERTS, no case has one of the modalities.
    """
    there = {modality for case in cases for modality in case_files(case, task=task)}
    missing = [modality for modality in modalities if modality not in there]
    if not cases or not missing:
        return cases
    if start_from is None:
        possible = ",".join(task.in_order(there))
        raise UsageError(
            "E_EXPERTS",
            "Every expert to train must have training cases with its modality; got none with"
            f" {', '.join(missing)} among {len(cases)}. Train those that have with --experts"
            f" {possible} (trained_experts). --start-from FILE of a whole mixture, such as"
            " models/model.pt, needs no case for every expert.",
        )
    LOGGER.warning(
        "No training case has %s: the experts stay as they are in %s",
        ", ".join(missing),
        start_from,
    )
    return cases


def _with_files(case: Item, files: Mapping[str, Any], task: Task) -> Item:
    # Looked for beside the images, which are no folder any more.
    label = case_label(case, task=task)
    return {**case, "image": files, **({} if label is None else {"label": label})}


def _to_hide(
    images: Mapping[str, Mapping[str, Any]], modality: str, share: float, seed: int
) -> list[str]:
    having = sorted(case_id for case_id, files in images.items() if modality in files)
    random.Random(f"{seed} {modality}").shuffle(having)
    # Stable: cases with nothing else come first.
    having.sort(key=lambda case_id: len(images[case_id]) > 1)
    n_needed = sum(len(images[case_id]) == 1 for case_id in having)
    n_wanted = max(1, round(share * len(having)))
    if n_needed > n_wanted:
        LOGGER.warning(
            "coverage: %d instead of %d of %d cases keep %s, because they have nothing else",
            n_needed,
            n_wanted,
            len(having),
            modality,
        )
    return having[max(n_wanted, n_needed) :]


def _checked(coverage: Mapping[str, Any], task: Task) -> dict[str, float]:
    shares: dict[str, float] = {}
    for name, share in coverage.items():
        try:
            modality = task.canonical_modality(str(name))
        except ValueError as error:
            raise UsageError("E_COVERAGE", f"coverage: {error} Correct the name.") from error
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not 0 <= share <= 1 or modality in shares:
            raise UsageError(
                "E_COVERAGE",
                f"coverage must give one share from 0 to 1 per modality; got {name}: {share!r}."
                " Give 0.1 for 10 %.",
            )
        shares[modality] = float(share)
    return shares
