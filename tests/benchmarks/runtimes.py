"""What runtimes and precisions change in labelled cases, against torch's own layers in float32.

    python -m tests.benchmarks.runtimes CASES [--set KEY=VALUE]

Each labelled case of a folder is predicted from all of its modalities by every kind: `torch` and
`openvino` are the settings `runtime` in float32; `bf16` is `amp: true`, which torch computes.
A voxel of the brain (not 0 in an acquired modality) is changed if one of its regions' decisions is.
Dice is against the case's label, on the network's grid, of regions that the label has. CPU time is
that of the inferer on one thread, conversion not counted. The last line is JSON: per kind the most
changed voxels of 10,000 of any case, the largest difference of any Dice in points, and the time.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Compose
from torch import Tensor, nn

from bundle.configuration import load_config, parse_settings
from bundle.datasets.labelled_cases import labelled_cases
from bundle.tensors import plain_tensor
from tests.benchmarks.train_step import as_torch_lays_out

REFERENCE = "torch's layers"
KINDS: Mapping[str, dict[str, Any]] = {
    REFERENCE: {"runtime": "torch"},
    "torch": {"runtime": "torch"},
    "openvino": {"runtime": "openvino"},
    "bf16": {"runtime": "torch", "amp": True},
}


class Predictor:
    """Decides by one kind, and times it."""

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        config = load_config("inference.yaml", {**settings, **KINDS[kind], "device_name": "cpu"})
        self.network: nn.Module = config.get_parsed_content("network")
        self.inferer = config.get_parsed_content("inferer")
        if kind == REFERENCE:
            as_torch_lays_out(self.network)
        self.seconds: list[float] = []

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        """Return decisions (R, H, W, D) on an image (1, M, H, W, D)."""
        begin = time.process_time()
        logits = self.inferer(image, self.network)["logits"]
        self.seconds.append(time.process_time() - begin)
        return plain_tensor(logits)[0] > 0


def dice_percent(found: Tensor, truth: Tensor) -> list[float | None]:
    """Dice of each region (R, H, W, D) in percent; None where the truth has none."""
    scores = []
    for one, other in zip(found, truth, strict=True):
        total = int(one.sum()) + int(other.sum())
        scores.append(200 * int((one & other).sum()) / total if other.any() else None)
    return scores


def differences(scores: list[float | None], others: list[float | None]) -> list[float]:
    pairs = zip(scores, others, strict=True)
    return [abs(one - other) for one, other in pairs if one is not None and other is not None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS)[1:], choices=list(KINDS)[1:])
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kinds = [REFERENCE, *arguments.kinds]
    predictors = {kind: Predictor(kind, parse_settings(arguments.set)) for kind in kinds}
    load = Compose(load_config("train.yaml", {}).get_parsed_content("load_transforms"))
    changed: dict[str, list[float]] = {kind: [] for kind in kinds}
    moved: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number, source in enumerate(labelled_cases(arguments.cases)):
        case = load(source)
        image, truth = plain_tensor(case["image"])[None], plain_tensor(case["label"]) > 0
        brain = (image[0] != 0).any(dim=0)
        if number == 0:  # so that no conversion is timed
            for predictor in predictors.values():
                predictor(image)
                predictor.seconds.clear()
        right = predictors[REFERENCE](image)
        expected = dice_percent(right, truth)
        for kind in arguments.kinds:
            found = predictors[kind](image)
            share = int(((found != right).any(dim=0) & brain).sum()) / int(brain.sum())
            off = differences(dice_percent(found, truth), expected)
            changed[kind].append(1e4 * share)
            moved[kind].append(max(off, default=0.0))
            print(
                f"{source['case_id']}, {kind}: {changed[kind][-1]:.2f} of 10,000 changed, Dice by at"
                f" most {moved[kind][-1]:.2f} points",
                flush=True,
            )
    reference_s = statistics.median(predictors[REFERENCE].seconds)
    facts = {
        kind: {
            "changed_of_10000": round(max(changed[kind], default=0.0), 2),
            "dice_points": round(max(moved[kind], default=0.0), 2),
            "time_ratio": round(statistics.median(predictors[kind].seconds) / reference_s, 2),
        }
        for kind in arguments.kinds
    }
    print(json.dumps({"reference_cpu_s": round(reference_s, 1), **facts}))


if __name__ == "__main__":
    main()
