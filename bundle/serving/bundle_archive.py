"""Packs the bundle into one file, as the MONAI Model Zoo, MONAI Label and ``monai.bundle``
take it.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.cases.reference_file import REFERENCES
from bundle.config_files import bundle_root, own_task
from bundle.configuration import load_config
from bundle.errors import OutputError, SetupError
from bundle.files.atomic_file import appearing_at_once, cause_of
from bundle.files.folder_owner import sweep
from bundle.files.hashes import sha256_of
from bundle.files.json_file import json_bytes, parse_json
from bundle.files.staged_folder import settle, temporary_folder
from bundle.plain_text import printable
from bundle.serving.task_metadata import metadata_for
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task, task_names
from bundle.weights.beside import AUTO, FilesBeside
from bundle.weights.calibration import CALIBRATIONS

NAME = "simmlm"
"""Folder of the packed bundle; MONAI Label calls the model by it."""

GENERATED = {
    "inference": (),
    "evaluate": (),
    "train": ("monai_label",),
    "train_experts": (),
}
"""Configs that are packed as JSON too, each with what is merged over it: `monai.bundle.load`, MONAI
Label and MONAI Deploy look for some of these files, and all of them run alone.
"""

BESIDE: Mapping[str, FilesBeside[Any]] = {
    f"models/model{kind.ending}": kind for kind in (CALIBRATIONS, REFERENCES)
}
"""What lies beside the weights, if there is any of it."""

_PATTERNS = (
    "LICENSE",
    "bundle/**/*.py",
    "bundle/**/*.md",
    "bundle/outputs/report/niivue/*",
    "bundle/outputs/report/templates/*",
    "configs/**/*.yaml",
    "configs/**/metadata.json",
    "configs/logging.conf",
    "docs/**/*.md",
    "docs/**/*.png",
    "docs/**/*.sh",
    "docs/**/*.txt",
    "models/model.pt",
    "models/model.pt.sha256",
    *BESIDE,
    "models/*.md",
    "models/*.py",
)
METADATA = "configs/metadata.json"
CARD = """\
# Weights that a user trained

Task: {task}. SHA-256: {digest}. They are not the weights that the other pages tell of.

## Training

This page does not know of it.

## Measured

Nothing that this page knows of: judge them with `simmlm evaluate` before anybody uses them.
"""
_TASK_NAME = re.compile(rb"(?m)^task_name: \S+")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can say
_UNIX, _FILE_MODE = 3, 0o100644


def pack(
    target: Path,
    *,
    as_folder: bool = False,
    task: str | Path | None = None,
    checkpoint: Path | None = None,
) -> list[str]:
    """Write everything that the bundle needs to run without an installation, and nothing else.

    The same files give the same bytes, also from an unpacked bundle. The weights are checked first.

    Args:
        target: the zip file, which holds one folder ``simmlm``, and may replace nothing but an
            earlier one; or that folder itself, which must not exist.
        as_folder: write a folder.
        task: name or file of the task that the packed bundle is for; the bundle's own if left out.
        checkpoint: weights to pack, with their checksum beside them; the bundle's own if left out.

    Returns:
        The files, relative to the bundle's folder, sorted.

    Raises:
        SetupError: the weights do not fit their checksum or the task's network, or there is no such
            task; nothing was written.
        OutputError: the target cannot be written, or is somebody else's file; nothing half-written
            is left.
    """
    _check_target(target, as_folder=as_folder)
    declared = load_task(own_task() if task is None else task)
    given = {"task_name": task, "checkpoint": checkpoint}
    values = {name: value for name, value in given.items() if value is not None}
    opened = load_config("inference.yaml", values)
    opened.get_parsed_content("verified")
    trained_as = opened.get_parsed_content("trained_as")
    told = {"filters": trained_as.filters, "spacing": trained_as.spacing}
    files = dict(_contents(bundle_root()))
    if task is not None:
        files |= _declaration(declared, task)
    if declared.name != own_task():
        files |= _of_task(files, declared)
    if checkpoint is not None:
        for own in BESIDE:
            files.pop(own, None)  # of the bundle's own weights
        files |= _of_weights(checkpoint, declared)
    for config, overlays in GENERATED.items():
        files[f"configs/{config}.json"] = config_json(
            config, overlays, {"task_name": declared.name, **told}
        )
    files = dict(sorted(files.items()))
    sweep(target.absolute().parent, deep=False)  # what a run left that was killed while it packed
    if as_folder:
        _write_folder(target, files)
    else:
        _write_zip(target, files)
    return list(files)


def config_json(
    name: str, overlays: Sequence[str] = (), values: Mapping[str, Any] | None = None
) -> bytes:
    """Return a config as one JSON file, without its comments.

    Args:
        name: of the YAML file in ``configs``, without its ending.
        overlays: names of those that are merged over it.
        values: of settings, where they differ from the file's.
    """
    files = [bundle_root() / "configs" / f"{overlay}.yaml" for overlay in overlays]
    config = load_config(f"{name}.yaml", {"bundle_root": "."}, files).get()
    config.update(values or {})
    config.pop("_meta_")  # MONAI's parser adds it, for the metadata
    return json_bytes(config)


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for pattern in _PATTERNS:
        for path in root.glob(pattern):
            if path.is_file() and not any(
                part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts
            ):
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _declaration(task: Task, source: str | Path) -> dict[str, bytes]:
    """Return the file of a task that the bundle does not have yet."""
    if str(source) in task_names():
        return {}
    if task.name in task_names():
        raise SetupError(
            "E_TASK",
            f"Task file {source} must have a name of letters and digits that no task of the bundle"
            f" has, to be packed; got {printable(task.name)!r}. Change its name.",
        )
    return {f"configs/tasks/{task.name}.yaml": Path(source).read_bytes()}


def _of_task(files: Mapping[str, bytes], task: Task) -> dict[str, bytes]:
    """Return the files that say something else where the bundle is for another task."""
    described = metadata_for(task, parse_json(files[METADATA]))
    changed = {METADATA: json_bytes(described)}
    for name in ("configs/inference.yaml", "configs/train.yaml"):
        changed[name] = _TASK_NAME.sub(b"task_name: " + task.name.encode(), files[name])
    return changed


def _of_weights(checkpoint: Path, task: Task) -> dict[str, bytes]:
    """Return the files of weights that are not the bundle's own, with a card that says so and what
    lies beside them, if it is theirs.
    """
    content = checkpoint.read_bytes()
    digest = sha256_of(content)
    return {
        **{
            name: kind.path(checkpoint).read_bytes()
            for name, kind in BESIDE.items()
            if kind.load(AUTO, checkpoint, digest, task) is not None
        },
        "models/model.pt": content,
        "models/model.pt.sha256": f"{digest}  model.pt\n".encode(),
        "models/README.md": CARD.format(task=task.title, digest=digest).encode(),
    }


def _check_target(target: Path, *, as_folder: bool) -> None:
    """Refuse to replace what is not an earlier pack, before any work is done."""
    if as_folder and (target.exists() or target.is_symlink()):
        raise OutputError(
            "E_OUTPUT",
            f"The folder of a packed bundle must not exist yet; got {target}. Choose another.",
        )
    if not as_folder and target.exists() and not _is_pack(target):
        raise OutputError(
            "E_EXISTS",
            f"The zip file must be new or an earlier pack; got {target}, which is neither. Choose"
            " another.",
        )


def _is_pack(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return False
    return f"{NAME}/configs/metadata.json" in names and all(
        name.startswith(f"{NAME}/") for name in names
    )


def _write_zip(target: Path, files: dict[str, bytes]) -> None:
    """Store without compression: weights and pictures do not shrink, and other versions of zlib
    give other bytes.
    """
    with (
        appearing_at_once(target) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _FILE_MODE << 16
            archive.writestr(entry, content)


def _write_folder(target: Path, files: dict[str, bytes]) -> None:
    try:
        with temporary_folder(target.absolute().parent) as stage:
            for name, content in files.items():
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_bytes(content)
            settle(stage, target)
    except OSError as error:
        raise OutputError(
            "E_WRITE", f"{target} must be writable; got: {cause_of(error)}. Choose another."
        ) from error
