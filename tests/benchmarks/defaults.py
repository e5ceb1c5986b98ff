"""Compares the defaults of training with other choices, on phantoms, at the size of a CPU.

    python tests/benchmarks/defaults.py --seeds 2

Every variant trains the four experts (stage 1) with the same cases, seeds and number of steps; it
differs from the defaults in one choice. Shallow experts and small windows make it fast; what it
finds holds for short trainings. The score is the best validation Dice, mean over cases, regions and
modalities. Prints a Markdown table; the last line is JSON.
"""

import argparse
import csv
import json
import logging
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.stages import train

MODALITIES = DEFAULT_TASK.modality_names

SHAPE = (64, 72, 56)
NETWORK = """
filters: [8, 16, 32, 64]
expert#kernel_size: [3, 3, 3, 3]
expert#strides: [1, 2, 2, 2]
expert#upsample_kernel_size: [2, 2, 2]
"""
COMMON = {"roi_size": [40, 40, 40], "batch_size": 2, "num_workers": 0, "validation_share": 0.25}
VARIANTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "defaults": ({}, []),
    "learning_rate 3e-4": ({"learning_rate": 3.0e-4}, []),
    "learning_rate 3e-3": ({"learning_rate": 3.0e-3}, []),
    "SGD, learning_rate 1e-2": ({}, ["sgd"]),
    "cosine schedule": ({}, ["cosine"]),
    "no warm-up": ({"warmup_epochs": 0}, []),
    "ema_decay 0": ({"ema_decay": 0.0}, []),
    "ema_decay 0.999": ({"ema_decay": 0.999}, []),
    "mixing_share 0.5": ({"mixing_share": 0.5}, []),
}


def score(data: Path, name: str, seed: int, epochs: int) -> float:
    """Train the experts under one variant and give their best validation Dice."""
    settings, overlays = VARIANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.yaml"
        network.write_text(NETWORK)
        values = {
            **COMMON,
            **settings,
            "seed": seed,
            "epochs": epochs,
            "val_interval": max(1, epochs // 2),
        }
        train(
            data,
            Path(folder) / "run",
            values,
            experts=MODALITIES,
            overlays=[*overlays, str(network)],
        )
        with (Path(folder) / "run" / "experts.csv").open(newline="") as file:
            return max(float(row["dice"]) for row in csv.DictReader(file) if row["dice"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cases", type=int, default=12, help="a quarter of them validates")
    parser.add_argument("--epochs", type=int, default=30, help="of stage 1")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    results: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write_phantoms(data, n_cases=arguments.cases, seed=600, shape=SHAPE)
        print(
            "| variant | validation Dice | each seed | s |\n| --- | --- | --- | --- |", flush=True
        )
        for name in arguments.only:
            started_s = time.monotonic()
            results[name] = [
                score(data, name, seed, arguments.epochs) for seed in range(arguments.seeds)
            ]
            each = ", ".join(f"{value:.3f}" for value in results[name])
            print(
                f"| {name} | {mean(results[name]):.3f} | {each} |"
                f" {time.monotonic() - started_s:.0f} |",
                flush=True,
            )
    print(json.dumps({name: mean(values) for name, values in results.items()}))


if __name__ == "__main__":
    main()
