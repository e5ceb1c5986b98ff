"""What an evaluation keeps of probabilities, so that several evaluations can be joined."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.judge import Histograms
from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.statistics.calibration_fit import CalibrationFit, Needed
from bundle.files.atomic_file import appearing_at_once
from bundle.tasks.task import Task

FILE = "probabilities.npz"


_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and its archive raise of other files, and of damaged ones."""


def write_probabilities(path: Path, histograms: Histograms, fit: CalibrationFit) -> None:
    """Write the histograms of all cases, and what a calibration is fitted to.

    Args:
        path: of the file.
        histograms: by modality set and region.
        fit: of the same cases.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays: dict[str, NDArray] = {"cases": np.array(sorted(fit.cases), dtype=np.str_)}
    for (modality_set, region), histogram in histograms.items():
        _put(arrays, f"set|{modality_set}|{region}", histogram)
    for group, cells in enumerate(fit.sums):
        for (region, size), histogram in cells.items():
            _put(arrays, f"group|{group}|{region}|{size}", histogram)
    for (region, size), unsorted in fit.needed.items():
        key, needed = f"needed|{region}|{size}", sorted(unsorted)
        arrays[f"{key}|case"] = np.array([one.case for one in needed], dtype=np.str_)
        arrays[f"{key}|group"] = np.array([one.group for one in needed])
        arrays[f"{key}|logit"] = np.array([one.logit for one in needed])
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(sorted(arrays.items())))
    with appearing_at_once(path) as file:
        file.write(stream.getbuffer())


def read_probabilities(path: Path, task: Task) -> tuple[Histograms, CalibrationFit]:
    """Read what ``write_probabilities`` wrote.

    Args:
        path: of the file.
        task: of the judged cases.

    Raises:
        UsageError: E_SCORES, it is missing or another file.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as content:
            return _read(content, task)
    except _UNREADABLE as error:
        raise UsageError(
            "E_SCORES",
            f"{path} must be written by simmlm evaluate; got {type(error).__name__}: {error}. Judge"
            " these cases again.",
        ) from None


def _read(content: Mapping[str, NDArray], task: Task) -> tuple[Histograms, CalibrationFit]:
    fit, histograms = CalibrationFit(task), {}
    fit.cases.update(str(case) for case in content["cases"])
    for name in content:
        kind, *words = name.split("|")
        if kind == "set" and words[-1] == "bins":
            histograms[words[0], words[1]] = _taken(content, name)
        if kind == "group" and words[-1] == "bins":
            fit.sums[int(words[0])][words[1], int(words[2])] = _taken(content, name)
        if kind == "needed" and words[-1] == "logit":
            key = name.removesuffix("logit")
            rows = zip(content[f"{key}case"], content[f"{key}group"], content[name], strict=True)
            fit.needed[words[0], int(words[1])] = [
                Needed(str(case), int(group), float(logit)) for case, group, logit in rows
            ]
    return histograms, fit


def _put(arrays: dict[str, NDArray], name: str, histogram: ProbabilityHistogram) -> None:
    """Add a histogram; steps from bin to bin are small numbers, which compress well."""
    bins, counts = histogram.filled()
    arrays[f"{name}|bins"] = np.diff(bins, prepend=np.zeros(1, bins.dtype))
    arrays[f"{name}|counts"] = counts


def _taken(content: Mapping[str, NDArray], name: str) -> ProbabilityHistogram:
    counts = content[f"{name.removesuffix('bins')}counts"]
    return ProbabilityHistogram.of_bins(np.cumsum(content[name], dtype=np.uint32), counts)
