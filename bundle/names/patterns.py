"""Finds the files of a case by globs that the user gives, one per modality and one for the
label.
"""

from collections import UserDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bundle.errors import CaseError, UsageError
from bundle.names.image_names import LABEL, is_image
from bundle.names.other_files import listed, unused_files
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


def match_patterns(
    folder: Path, case_id: str, patterns: Mapping[str, str], task: Task
) -> dict[str, Path]:
    """Find the modalities of one case by explicit globs.

    A pattern without a match is an absent modality.

    Raises:
        CaseError: a pattern matches several files, or none of them matches anything.
    """
    images: dict[str, Path] = {}
    for modality in task.modality_names:
        found = _match(folder, case_id, modality, patterns)
        if found is not None:
            images[modality] = found
    if not images:
        others = [*unused_files(folder, (), task)[0]]
        there = f"; got {listed(others)}" if others else ""
        raise CaseError(
            "E_NO_MODALITY",
            f"Case {case_id}: a file in {folder} must match one of the patterns "
            f"{_shown(patterns)}, which start at the case folder{there}. Check the patterns.",
        )
    return images


def match_label(folder: Path, case_id: str, patterns: Mapping[str, str]) -> Path | None:
    """Find the label of one case by its glob, None if nothing matches.

    Raises:
        CaseError: the pattern matches several files.
    """
    return _match(folder, case_id, LABEL, patterns)


def matches(folder: Path, pattern: str) -> list[Path]:
    """List the files that a glob finds.

    Where some are images the others, such as their .json, are not meant.
    """
    found = sorted(path for path in folder.glob(pattern) if not path.is_dir())
    return [path for path in found if is_image(path)] or found


def image_patterns(patterns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the patterns of modalities, without the label's."""
    return {name: glob for name, glob in (patterns or {}).items() if name != LABEL}


def check_patterns(
    folders: Sequence[Path], patterns: Mapping[str, str], source: Path, task: Task
) -> None:
    """Refuse a pattern that finds nothing in any case: a modality would be missing without a word.

    Raises:
        UsageError: E_PATTERN, with the pattern and what there is instead.
    """
    for name, pattern in patterns.items():
        if not any(matches(folder, pattern) for folder in folders):
            there = next(
                (found for folder in folders if (found := unused_files(folder, (), task)[0])), []
            )
            raise UsageError(
                "E_PATTERN",
                f"--pattern {name}={printable(pattern)!s} must match a file of at least one case;"
                f" got none in the {len(folders)} case folders of"
                f" {printable(str(source))}{f', where there are {listed(there)}' if there else ''}."
                " A pattern starts at the case folder; correct it, or leave it out if the modality"
                " is not there.",
            )


def _match(folder: Path, case_id: str, name: str, patterns: Mapping[str, str]) -> Path | None:
    found = matches(folder, patterns[name]) if name in patterns else []
    if len(found) > 1:
        raise CaseError(
            "E_AMBIGUOUS",
            f"Case {case_id}: the pattern {patterns[name]!r} of {name} must match one file; "
            f"got {listed(found)} in {folder}. Make the pattern narrower.",
        )
    return found[0] if found else None


def _shown(patterns: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={printable(glob)}" for name, glob in patterns.items())


def parse_patterns(options: Iterable[str], *, task: Task = DEFAULT_TASK) -> dict[str, str]:
    """Read ``MODALITY=GLOB`` options, and ``seg=GLOB`` or ``label=GLOB`` for the label.

    Raises:
        UsageError: an option has another form or names an unknown or repeated modality.
    """
    patterns: dict[str, str] = {}
    for option in options:
        name, _, glob = option.partition("=")
        key = _key(name, option, task)
        if not glob or key in patterns or not _is_glob(glob):
            raise UsageError(
                "E_PATTERN",
                "--pattern must give one glob, relative to the case folder, per modality; got"
                f" {option!r}. Write it like --pattern {task.example.name}="
                f"'*_{task.example.example_file}.nii.gz'.",
            )
        patterns[key] = glob
    return patterns


def pattern_setting(
    options: Iterable[str], *, task: Task = DEFAULT_TASK
) -> Mapping[str, str] | None:
    """Read ``MODALITY=GLOB`` options as the setting ``patterns`` of the configs, None without any.

    Returns:
        A mapping that is no ``dict``: into those MONAI's parser looks for references, such as
        ``@#`` in a glob.

    Raises:
        UsageError: as `parse_patterns`.
    """
    patterns = parse_patterns(options, task=task)
    return UserDict(patterns) if patterns else None


def _key(name: str, option: str, task: Task) -> str:
    if name.strip().lower() in (LABEL, "label"):
        return LABEL
    try:
        return task.canonical_modality(name)
    except ValueError as error:
        raise UsageError(
            "E_PATTERN",
            f"--pattern must be MODALITY=GLOB, or seg=GLOB for the label; got {option!r}. {error}",
        ) from error


def _is_glob(glob: str) -> bool:
    if Path(glob).anchor:
        return False
    try:
        next(iter(Path("/nowhere-at-all").glob(glob)), None)
    except (ValueError, IndexError, OSError):
        return False
    return True
