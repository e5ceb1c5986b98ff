"""What of a case is sent to a server, and under which names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.files.hashes import sha256_of
from bundle.plain_text import printable

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".mgh")


def case_uploads(files: Mapping[str, Any], case_id: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return what is sent: names to contents, and options that declare them.

    Raises:
        CaseError: a file is missing or cannot be read.
    """
    channels = {modality: value for modality, value in files.items() if isinstance(value, Channel)}
    if channels:
        file = next(iter(channels.values())).file
        order = sorted(channels, key=lambda modality: channels[modality].position)
        declared = {"modalities": ",".join(order)}
        return {f"{case_id}{_ending(file)}": _content(file, case_id)}, declared
    uploads = {}
    for modality, value in files.items():
        path = Path(value)
        uploads[f"{case_id}-{modality}{_ending(path)}"] = _content(path, case_id)
    return uploads, {}


def input_facts(value: Any, case_id: str) -> dict[str, Any]:
    """Describe an image as a case's record does.

    Raises:
        CaseError: the file is missing or cannot be read.
    """
    file = value.file if isinstance(value, Channel) else Path(value)
    digest = sha256_of(_content(file, case_id))
    entry: dict[str, Any] = {"file": str(file), "sha256": digest}
    if isinstance(value, Channel):
        entry |= {"channel": value.position, "n_channels": value.n_volumes}
    return entry


def _content(file: Path, case_id: str) -> bytes:
    if not file.is_file():
        raise CaseError(
            "E_MISSING",
            f"Case {case_id}: {printable(str(file))} must be a file; got none. Check the path.",
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise CaseError(
            "E_UNREADABLE",
            f"Case {case_id}: {printable(str(file))} must be readable; got {error.strerror}. Check"
            " its permissions.",
        ) from None


def _ending(file: Path) -> str:
    name = file.name.lower()
    known = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    return known or (".nii.gz" if name.endswith(".gz") else ".nii")
