"""Finds the files of a case by globs that the user gives, one per modality."""

from collections import UserDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bundle.errors import CaseError, UsageError
from bundle.modalities import MODALITIES, canonical_modality


def match_patterns(folder: Path, case_id: str, patterns: Mapping[str, str]) -> dict[str, Path]:
    """Find the modalities of one case by explicit globs; a pattern without a match is an absent modality.

    Raises:
        CaseError: a pattern matches several files, or none of them matches anything.
    """
    images: dict[str, Path] = {}
    for modality in MODALITIES:
        found = sorted(folder.glob(patterns[modality])) if modality in patterns else []
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise CaseError(
                "E_AMBIGUOUS",
                f"Case {case_id}: the pattern {patterns[modality]!r} of {modality} must match one file; "
                f"got {names} in {folder}. Make the pattern narrower.",
            )
        if found:
            images[modality] = found[0]
    if not images:
        raise CaseError("E_NO_MODALITY", f"Case {case_id}: no file in {folder} matches a pattern. Check the patterns.")
    return images


def parse_patterns(options: Iterable[str]) -> dict[str, str]:
    """Read ``MODALITY=GLOB`` options.

    Raises:
        UsageError: an option has another form or names an unknown or repeated modality.
    """
    patterns: dict[str, str] = {}
    for option in options:
        name, _, glob = option.partition("=")
        try:
            modality = canonical_modality(name)
        except ValueError as error:
            raise UsageError("E_PATTERN", f"--pattern must be MODALITY=GLOB; got {option!r}. {error}") from error
        if not glob or modality in patterns or Path(glob).is_absolute():
            raise UsageError(
                "E_PATTERN", f"--pattern must give one glob, relative to the case folder, per modality; got {option!r}."
            )
        patterns[modality] = glob
    return patterns


def pattern_setting(options: Iterable[str]) -> Mapping[str, str] | None:
    """Read ``MODALITY=GLOB`` options as the setting ``patterns`` of the configs, None without any.

    Returns:
        A mapping that is no ``dict``: into those MONAI's parser looks for references, such as ``@#`` in a glob.

    Raises:
        UsageError: as `parse_patterns`.
    """
    patterns = parse_patterns(options)
    return UserDict(patterns) if patterns else None
