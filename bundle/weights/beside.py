"""Files that lie beside weights and say what was learnt of them, such as a calibration."""

from pathlib import Path

from bundle.files.hashes import sha256_of_file

AUTO, NONE = "auto", "none"


def beside(checkpoint: Path | str, ending: str) -> Path:
    """Return where such a file of weights lies, whether there is one or not.

    Args:
        checkpoint: the weights, ``model.pt``.
        ending: ``.calibration.json`` makes it ``model.calibration.json``.
    """
    path = Path(checkpoint)
    return path.with_name(path.stem + ending)


def chosen_file(chosen: str | Path, checkpoint: Path | str, ending: str) -> Path | None:
    """Return the file that a setting chooses.

    Args:
        chosen: ``none``; ``auto``, what lies beside the weights, if anything; or a file, which
            need not exist.
        checkpoint: the weights.
        ending: as ``beside``.
    """
    if str(chosen) == NONE:
        return None
    if str(chosen) != AUTO:
        return Path(chosen)
    path = beside(checkpoint, ending)
    return path if path.is_file() else None


def used_sha256(
    used: object | None, chosen: str | Path, checkpoint: Path | str, ending: str
) -> str | None:
    """Return the checksum of the file that was loaded; None where none was.

    Args:
        used: what was loaded from it.
        chosen: as ``chosen_file``.
        checkpoint: the weights.
        ending: as ``beside``.
    """
    path = chosen_file(chosen, checkpoint, ending)
    return None if used is None or path is None else sha256_of_file(path)
