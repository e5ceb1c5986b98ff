"""Runs both training stages from the bundle's configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.configuration import load_config
from bundle.errors import OutputError, UsageError

STAGES = ("train_experts.yaml", "train.yaml")
RESULTS = ("experts.pt", "mixture.pt", "model.pt")


def train(data: Path, out: Path, settings: Mapping[str, Any] | None = None) -> Path:
    """Train the experts alone, then gate and experts together.

    Args:
        data: folder with one subfolder per labelled case.
        out: receives ``experts.pt``, ``mixture.pt`` and ``model.pt`` with its SHA-256.
        settings: replaced settings of both configs, for example ``epochs``.

    Returns:
        The file of the final weights, ready for inference.

    Raises:
        UsageError: the data have no labelled cases, or ``out`` holds weights already.
        OutputError: ``out`` cannot be made.
    """
    existing = [name for name in RESULTS if (out / name).exists()]
    if existing:
        raise UsageError(
            "E_OUTPUT", f"{out} must not hold weights yet; got {', '.join(existing)}. Choose another --out."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("E_OUTPUT", f"{out} must be a folder to write to; got: {error.strerror}.") from None
    for stage in STAGES:
        parser = load_config(stage, {"dataset_dir": data, "output_dir": out, **(settings or {})})
        parser.get_parsed_content("initialize")
        parser.get_parsed_content("run")
    return out / RESULTS[-1]
