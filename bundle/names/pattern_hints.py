"""Proposes the patterns by which a user may choose among files of one modality."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from glob import escape
from pathlib import Path

from bundle.names.image_names import ImageName
from bundle.plain_text import printable


def pattern_hint(found: Mapping[str, Sequence[Path]], names: Mapping[Path, ImageName]) -> str:
    """Write options that take one file of each modality, as the end of a sentence.

    All modalities are named, since those without a pattern would be left out. Where one of them
    has no file that a pattern tells from the others, nothing is proposed.

    Args:
        found: modality to files.
        names: of all images that lie together.
    """
    options: list[str] = []
    for modality, paths in found.items():
        globs = [f"*{escape(path.name[len(names[path].stem) :])}" for path in reversed(paths)]
        clear = [glob for glob in globs if _n_matches(glob, names) == 1]
        if paths and not clear:
            return ""
        options += [f"--pattern {modality}='{printable(glob)}'" for glob in clear[:1]]
    return f", such as {' '.join(options)}"


def _n_matches(glob: str, names: Mapping[Path, ImageName]) -> int:
    return sum(fnmatch(path.name, glob) for path in names)
