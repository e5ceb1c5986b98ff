"""Dice per region for modality sets, on labelled cases.

    python tests/benchmarks/accuracy.py FOLDER [--only CASE ...] [--sets full|single|all]

A region that the truth of a case does not have is left out of its mean; how much of it was predicted there all the
same is printed below the table. The best constant guess calls every brain voxel tumour. A pair is counter-intuitive if
a larger modality set has a lower Dice than a set within it, by more than rounding. Every expert runs once per window,
whatever the number of sets. The last line is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from monai.transforms import Compose, Invertd
from monai.utils import convert_to_dst_type

from bundle.configuration import load_config, parse_settings
from bundle.data.loading import LoadExamd
from bundle.evaluation.overlap import region_dice
from bundle.inference.inferers import ModalitySetsInferer
from bundle.modalities import modality_sets, presence_flags
from bundle.regions import REGIONS, THRESHOLD, labels_to_regions, regions_to_labels
from bundle.training.cases import labelled_cases

SETS = {
    "full": [chosen for chosen in modality_sets() if len(chosen) == 4],
    "single": [chosen for chosen in modality_sets() if len(chosen) in (1, 4)],
    "all": list(modality_sets()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", help="case names; all labelled cases if left out")
    parser.add_argument("--sets", choices=SETS, default="all")
    parser.add_argument("--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE")
    arguments = parser.parse_args()
    cases = [
        case for case in labelled_cases(arguments.folder) if not arguments.only or case["case_id"] in arguments.only
    ]
    sets = SETS[arguments.sets]
    report(sets, *evaluate(cases, sets, parse_settings(arguments.set)))


def evaluate(cases: list[dict], sets: list[tuple[str, ...]], settings: dict) -> tuple[np.ndarray, ...]:
    """Give Dice (C, S, R), NaN where truth is empty, the predicted ml (C, S, R) there, and a guess's Dice (C, R)."""
    config = load_config("inference.yaml", settings)
    network, device = config.get_parsed_content("network"), config.get_parsed_content("device")
    _, *rest = config.get_parsed_content("preprocessing").transforms
    preprocessing = Compose([LoadExamd(with_label=True), *rest])
    back = Invertd("pred", preprocessing, orig_keys="image", nearest_interp=False)
    options = {key: config.get_parsed_content(key) for key in ("roi_size", "overlap", "sw_batch_size", "amp")}
    inferer = ModalitySetsInferer([list(presence_flags(chosen)) for chosen in sets], mode="gaussian", **options)
    dice, false_ml, guess = [], [], []
    for case in cases:
        loaded = preprocessing(case)
        truth = regions_to_labels(loaded["label"].numpy().astype(bool))
        with torch.inference_mode():
            logits = inferer(loaded["image"][None].to(device), network, loaded["presence"][None])[0].cpu()
        labels = [on_input_grid(logits[index :: len(sets)], loaded["image"], back) for index in range(len(sets))]
        dice.append([list(region_dice(label, truth).values()) for label in labels])
        false_ml.append([empty_region_ml(label, truth) for label in labels])
        brain = (LoadExamd()(case)["image"] != 0).any(dim=0).numpy()
        guess.append(list(region_dice(brain * np.uint8(3), truth).values()))  # enhancing tumour is in all regions
        print(
            case["case_id"],
            *(f"{region} {value:.3f}" for region, value in zip(REGIONS, dice[-1][-1], strict=True)),
            flush=True,
        )
    return np.array(dice), np.array(false_ml), np.array(guess)


def on_input_grid(logits, image, back: Invertd) -> np.ndarray:
    """Bring probabilities back to the grid of the files and threshold them there, as the bundle does."""
    probabilities = convert_to_dst_type(torch.sigmoid(logits), image)[0]
    restored = back({"pred": probabilities, "image": image})["pred"]
    return regions_to_labels(torch.as_tensor(restored).numpy() > THRESHOLD)


def empty_region_ml(label: np.ndarray, truth: np.ndarray) -> list[float]:
    predicted, true = labels_to_regions(label), labels_to_regions(truth)
    return [np.nan if t.any() else p.sum() / 1000 for p, t in zip(predicted, true, strict=True)]


def counter_intuitive(sets: list[tuple[str, ...]], dice: np.ndarray) -> np.ndarray:
    """Give per region the share of (case, set within larger set) pairs in which the larger set has the lower Dice."""
    pairs = [(a, b) for a, one in enumerate(sets) for b, other in enumerate(sets) if set(one) < set(other)]
    fewer, more = (dice[:, [pair[side] for pair in pairs]] for side in (0, 1))
    defined = np.isfinite(fewer).sum(axis=(0, 1))
    return (more < fewer - 1e-6).sum(axis=(0, 1)) / defined


def report(sets: list[tuple[str, ...]], dice: np.ndarray, false_ml: np.ndarray, guess: np.ndarray) -> None:
    n_cases = np.isfinite(dice[:, 0]).sum(axis=0)
    print(f"\n| modalities | {' | '.join(f'{r} (n={n})' for r, n in zip(REGIONS, n_cases, strict=True))} |")
    print("| --- | --- | --- | --- |")
    means = np.nanmean(dice, axis=0)
    for chosen, row in zip(sets, means, strict=True):
        print(f"| {' '.join(chosen)} | {' | '.join(f'{value:.3f}' for value in row)} |")
    print(f"| mean of {len(sets)} sets | {' | '.join(f'{value:.3f}' for value in means.mean(axis=0))} |")
    print(f"| best constant guess | {' | '.join(f'{value:.3f}' for value in np.nanmean(guess, axis=0))} |")
    print(f"| counter-intuitive pairs | {' | '.join(f'{v:.0%}' for v in counter_intuitive(sets, dice))} |")
    for index, region in enumerate(REGIONS):
        empty = false_ml[:, -1, index]
        if np.isfinite(empty).any():
            print(
                f"{region} absent in {np.isfinite(empty).sum()} cases; predicted there with all modalities: "
                f"{np.nanmean(empty):.2f} ml on average"
            )
    rows = {
        "+".join(chosen): dict(zip(REGIONS, map(float, row.round(4)), strict=True))
        for chosen, row in zip(sets, means, strict=True)
    }
    print(json.dumps({"n_cases": len(dice), "dice": rows}))


if __name__ == "__main__":
    main()
