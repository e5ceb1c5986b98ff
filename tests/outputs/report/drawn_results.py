"""Results without a network: phantoms whose truth, a little frayed, stands for what one found."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.inference.maps import SplitMapsd
from bundle.outputs.map_writer import MapWriter
from bundle.outputs.output_list import case_outputs
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

SHAPE = (48, 56, 40)


def drawn_images(
    folder: Path, seed: int = 5, shape: Sequence[int] = SHAPE, task: Task = DEFAULT_TASK
) -> dict[str, Path]:
    """Draw a phantom and name its files, the label as ``seg``."""
    (case,) = write_phantoms(folder, n_cases=1, seed=seed, shape=tuple(shape), task=task)
    return {path.name.removesuffix(".nii.gz").rpartition("-")[2]: path for path in case.iterdir()}


def write_result(
    out: Path,
    files: Mapping[str, Path],
    case_id: str = "case7",
    *,
    modalities: Collection[str] = DEFAULT_TASK.modality_names,
    empty: bool = False,
    varying: bool = False,
    contributions: str = "none",
    warnings: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Write a result as a run does, with the options of ``case_outputs``; return its folder.

    Args:
        out: the output folder.
        files: of ``drawn_images``.
        case_id: name of the case.
        modalities: that were acquired.
        empty: nothing was found.
        varying: weights differ from place to place.
        contributions: as ``case_outputs``; what a modality adds grows with its number.
        warnings: to be told.
        facts: that replace or extend those of the result.
    """
    images = {name: files[name] for name in DEFAULT_TASK.in_order(modalities)}
    case, label = (
        LoadCased(True)({"case_id": case_id, "image": images, "label": files["seg"]}),
        None,
    )
    label = torch.as_tensor(np.asarray(case["label"])).float()
    record = CaseRecord.from_json(case["record"])
    found = np.stack([gaussian_filter(region.numpy(), 0.8) for region in label])
    probabilities = torch.as_tensor(found * (0.1 if empty else 0.97))
    weights, mean_weights = _weights(record, label.shape[1:], varying=varying)
    item = {"probabilities": probabilities, "weights": weights, "mean_weights": mean_weights}
    grown = mean_weights[..., None, None, None] * (probabilities - 0.5)
    item["parts"] = grown.flatten(0, 1)
    written = SplitMapsd(contributions=contributions)({**item, "record": case["record"]})
    written["result"]["warnings"] += list(warnings)
    written["result"] |= dict(facts or {})
    outputs = case_outputs(
        "cd" * 32,
        settings={"roi_size": "whole", "device": "cpu"},
        contributions=contributions,
        **options,
    )
    return MapWriter(out, outputs).write(written, computed_s=1.5)


def _weights(
    record: CaseRecord, shape: Sequence[int], *, varying: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    n_modalities, n_regions = DEFAULT_TASK.n_modalities, DEFAULT_TASK.n_regions
    presence = torch.tensor(DEFAULT_TASK.presence_flags(record.modalities)).float()
    share = presence * torch.arange(1, n_modalities + 1)
    share = share / share.sum()
    weights = share[:, None, None, None].expand(-1, *shape).clone()
    if varying:
        slope = torch.linspace(0, 1, shape[0])[:, None, None] * presence[:, None, None, None]
        weights = (weights + slope * share.flip(0)[:, None, None, None]) * presence[
            :, None, None, None
        ]
        weights = weights / weights.sum(dim=0)
    return weights, share[:, None].expand(-1, n_regions)


def write_table(out: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write ``cases.csv`` with case, status and reason of each row."""
    lines = ["case_id,status,reason,modalities,warnings"]
    lines += [",".join(f'"{cell}"' for cell in row) + ",," for row in rows]
    (out / "cases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
