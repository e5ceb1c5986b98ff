"""What tells exchanged names best: intensities, the gate's weights or the entropy.

    python -m tests.benchmarks.exam_warnings EXAMS [--set KEY=VALUE ...]

Of every exam with all modalities, as it is and with each two names exchanged, it takes the numbers
of `simmlm reference`, the gate's mean weights, and the share of voxels inside whose entropy is
above half a bit, with the volume found, for each region. An exam is told if it is further away from
the others than any of these is from the rest, by half, or beyond 5 standard deviations: the rule of
`simmlm reference`. Prints a Markdown table.
"""

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.cases.appearance import Appearance, appearance_of
from bundle.cases.exam_reference import FARTHEST
from bundle.cases.reference_learning import LARGEST_LIMIT, LIMIT_FACTOR, learn
from bundle.configuration import load_config, parse_settings
from bundle.mixture.mixing import binary_entropy
from bundle.tasks.default import DEFAULT_TASK
from bundle.tensors import plain_tensor

MODALITIES = DEFAULT_TASK.modality_names
FLOOR = 0.1  # of deviations over exams
HALF_A_BIT = 0.5
KINDS = ("gate", "entropy", "both")


def main() -> None:
    """Segment every exam under every name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exams", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    given = {"dataset_dir": options.exams, "exam_reference": "none", "calibration": "none"}
    config = load_config("inference.yaml", {**given, **parse_settings(options.settings)})
    prepare, inferer, network = map(
        config.get_parsed_content, ("preprocessing", "inferer", "network")
    )
    pairs = list(combinations(range(len(MODALITIES)), 2))
    looks: list[Appearance] = []
    own: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
    exchanged: dict[str, list[list[NDArray[np.float64]]]] = {kind: [] for kind in KINDS}
    for case in config.get_parsed_content("cases"):
        exam = prepare(case)
        image, presence = plain_tensor(exam["image"]), exam["presence"]
        if not presence.all():
            continue
        looks.append(appearance_of(image, presence, DEFAULT_TASK))
        orders = [list(range(len(MODALITIES)))]
        for one, other in pairs:
            order = orders[0].copy()
            order[one], order[other] = other, one
            orders.append(order)
        found = [numbers_of(inferer, network, image[order]) for order in orders]
        for kind in KINDS:
            own[kind].append(found[0][kind])
            exchanged[kind].append([numbers[kind] for numbers in found[1:]])
        print(
            case["case_id"],
            {kind: found[0][kind].round(2).tolist() for kind in KINDS[:2]},
            flush=True,
        )
    learnt = learn(looks, "", DEFAULT_TASK.name).measured
    tables = {kind: told(own[kind], exchanged[kind]) for kind in KINDS}
    print(f"| exchanged | intensities | {' | '.join(KINDS)} |")
    print("| --- |", " ---: |" * (1 + len(KINDS)))
    for place, (one, other) in enumerate(pairs):
        names = MODALITIES[one], MODALITIES[other]
        counts = [
            learnt["found"]["+".join(names)][0],
            *(int(tables[k][:, place].sum()) for k in KINDS),
        ]
        print(f"| {', '.join(names)} |", " | ".join(f"{n} of {len(looks)}" for n in counts), "|")


def numbers_of(
    inferer: torch.nn.Module, network: torch.nn.Module, image: Tensor
) -> Mapping[str, NDArray[np.float64]]:
    """Return what network and gate say of an exam, in numbers."""
    with torch.no_grad():
        result = inferer(image[None], network, torch.ones(1, len(MODALITIES), dtype=torch.bool))
    inside = (image != 0).any(dim=0)
    probabilities = result["logits"][0].sigmoid()[:, inside]
    doubtful = (binary_entropy(probabilities) > HALF_A_BIT).double().mean(dim=1)
    volume = (probabilities > 0.5).double().mean(dim=1)
    entropy = torch.log10(torch.cat([doubtful, volume]) + 1e-5).numpy()
    gate = result["mean_weights"][0].double().clamp(min=1e-3).logit().flatten().numpy()
    return {"gate": gate, "entropy": entropy, "both": np.concatenate([gate, entropy])}


def told(
    own: list[NDArray[np.float64]], exchanged: list[list[NDArray[np.float64]]]
) -> NDArray[np.bool_]:
    """Return which exams with exchanged names are further away than is usual: (exams, pairs)."""
    rest = [np.stack([*own[:i], *own[i + 1 :]]) for i in range(len(own))]
    distances = [away(numbers, others) for numbers, others in zip(own, rest, strict=True)]
    limits = [
        min(LIMIT_FACTOR * max([*distances[:i], *distances[i + 1 :]]), LARGEST_LIMIT)
        for i in range(len(own))
    ]
    return np.array(
        [
            [away(numbers, others) > limit for numbers in of_exam]
            for of_exam, others, limit in zip(exchanged, rest, limits, strict=True)
        ]
    )


def away(numbers: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the root mean square of the deviations from the mean of the others."""
    deviations = np.maximum(others.std(axis=0, ddof=1), FLOOR)
    beyond = np.minimum(np.abs((numbers - others.mean(axis=0)) / deviations), FARTHEST)
    return float(np.sqrt((beyond**2).mean()))


if __name__ == "__main__":
    main()
