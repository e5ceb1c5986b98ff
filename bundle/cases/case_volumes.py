"""Reads the volumes of a case, each where its file says that it lies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.cases.array_volume import array_volume
from bundle.datasets.decathlon import Channel
from bundle.tasks.task import Task
from bundle.volumes.image_volume import Volume, read_channels, read_volume


def read_case_volumes(
    files: Mapping[str, Any], case_id: str, affine: Any, task: Task
) -> dict[str, Volume]:
    """Read the files of a case, a 4D file only once.

    Args:
        files: of `case_files.case_files`.
        case_id: for messages.
        affine: (4, 4), voxel to world, of arrays; None without any.
        task: says what is outside.

    Raises:
        CaseError: a file cannot be read, is damaged, or cannot be an MRI volume.
    """
    channels = {modality: value for modality, value in files.items() if isinstance(value, Channel)}
    volumes: dict[str, Volume] = {}
    for file, n_volumes in {(channel.file, channel.n_volumes) for channel in channels.values()}:
        places = {
            modality: channel.position
            for modality, channel in channels.items()
            if channel.file == file
        }
        volumes |= read_channels(file, places, n_volumes, case_id=case_id, task=task)
    for modality, value in files.items():
        if modality not in channels:
            volumes[modality] = _volume(value, affine, case_id, modality, task)
    return {modality: volumes[modality] for modality in files}


def _volume(value: Any, affine: Any, case_id: str, modality: str, task: Task) -> Volume:
    if isinstance(value, str | Path):
        return read_volume(Path(value), case_id=case_id, modality=modality, task=task)
    return array_volume(value, affine, case_id, modality, task)
