"""Names of cases and of the patients they belong to."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.errors import CaseError, UsageError
from bundle.files.hashes import sha256_of
from bundle.names.vocabulary import word_set
from bundle.plain_text import printable

MAX_ID_BYTES = 200
"""UTF-8 bytes of a case's name: with ``_weight-t1c-TC.nii.gz`` or ``.simmlm-`` it must fit the 255
of file systems.
"""

ID_RULE = (
    f"a plain file name of at most {MAX_ID_BYTES} bytes, without control characters and spaces at"
    " its ends"
)

_JOINERS = "\u200c\u200d"  # letters of Persian and of Indian scripts need them
_N_SHOWN = 60

COLLECTIONS: Mapping[str, re.Pattern[str]] = {
    "BraTS 2023 to 2025": re.compile(r"(?P<patient>.*-\d{5})-\d{3}"),
    "BraTS 2017 to 2019": re.compile(r"(?P<patient>brats1[789]_.+)_\d", re.I),
    "UPENN-GBM": re.compile(r"(?P<patient>UPENN-GBM-\d{5})_\d{2}"),
    "UCSD-PTGBM": re.compile(r"(?P<patient>UCSD-PTGBM-\d{4})_\d{2}"),
    "UCSF-PDGM": re.compile(r"(?P<patient>UCSF-PDGM-\d{4})_FU\d+d"),
    "TCGA": re.compile(r"(?P<patient>TCGA-\w{2}-[0-9A-Z]{4})[-_].+"),
    "Ivy GAP": re.compile(r"(?P<patient>W\d{1,2})_\d{4}\.\d{2}\.\d{2}.*"),
    "LUMIERE": re.compile(r"(?P<patient>Patient-\d{3})_week-\d{3}(-\d)?"),
    "MU-Glioma-Post": re.compile(r"(?P<patient>PatientID_\d{4})_Timepoint_\d+"),
    "RHUH-GBM": re.compile(r"(?P<patient>RHUH-\d{4})[-_]\d"),
    "BIDS": re.compile(r"(?P<patient>sub-[0-9A-Za-z]+)_ses-[0-9A-Za-z]+"),
    "any, with a word for visit": re.compile(
        r"(?P<patient>.+?)[-_."
        r" ](visit|time-?point|session|ses|tp|baseline|follow-?up|fu|(pre|post)-?op|week|month)"
        r"([-_ ]?\d+)*",
        re.I,
    ),
}
"""How collections write patient and visit into a name; the whole name must match."""


_BETWEEN = word_set(
    "anat mri mr nifti niftis nii images image img scans preprocessed preproc processed native raw"
    " registered"
)
_VISIT = re.compile(
    r"ses-\w+|(19|20)\d{2}[-._]?[01]\d[-._]?[0-3]\d|"
    r"(ses|session|visit|timepoint|tp|week|month|day|baseline|follow-?up|fu|pre-?op|post-?op|pre|post)([-_"
    r" ]?\d+)*",
    re.I,
)


def folder_name(folder: Path) -> str:
    """Name a case after its folder, with the folders above where the name is anybody's.

    ``sub-01/ses-2/anat`` is ``sub-01_ses-2``, so that the cases of a data set that are given one by
    one do not share a name. Only names count, links are not followed.
    """
    parts = [part for part in folder.parts if part != folder.anchor]
    kept: list[str] = []
    for part in reversed(parts):
        if part.lower() in _BETWEEN:
            continue
        kept.insert(0, part)
        if not _VISIT.fullmatch(part):
            break
    return "_".join(kept) or (parts[-1] if parts else "")


def is_case_id(case_id: str) -> bool:
    """Whether a name can be a folder of its own inside the output folder.

    ``..`` and paths cannot.

    Names that a file system, a terminal or a table would change or not show are none either: too
    long ones, control and direction characters, what is no text, a backslash, and spaces or a dot
    at the end.
    """
    return (
        bool(case_id)
        and case_id == case_id.strip()
        and not case_id.startswith(".")
        and not case_id.endswith(".")
        and not any(_is_forbidden(letter) for letter in case_id)
        and len(case_id.encode("utf-8")) <= MAX_ID_BYTES
    )


def _is_forbidden(letter: str) -> bool:
    if letter.isalnum():
        return False
    category = unicodedata.category(letter)
    return (
        letter in "/\\"
        or category in ("Cc", "Cs", "Zl", "Zp")
        or (category == "Cf" and letter not in _JOINERS)
    )


def shown_id(case_id: str) -> str:
    """Return a name as it can be printed and written, shortened.

    The name itself may be no text at all.
    """
    text = printable(case_id)
    if len(text) <= _N_SHOWN:
        return text
    digest = sha256_of(case_id.encode("utf-8", "surrogatepass"))[:8]
    return f"{text[:_N_SHOWN]}...{digest}"  # long names often differ at their ends only


def id_problem(case_id: str, where: Path | str) -> CaseError:
    """Say why a name cannot be that of a case, and what to do."""
    n_bytes = len(case_id.encode("utf-8", "surrogatepass"))
    return CaseError(
        "E_CASE_ID",
        f"Case {shown_id(case_id)}: a case name must be {ID_RULE}; got {n_bytes} bytes, from "
        f"{_shortened(str(where))}. Rename it, or name the case in a .csv list.",
    )


def _shortened(text: str) -> str:
    text = printable(text)
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def checked_items(items: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Mark cases whose names cannot be used, or that others have too, so that they fail alone.

    Both of two names that differ only in case, or in how an accent is stored, are marked: on many
    disks their results would go into one folder, and which of them is meant nobody knows.

    Args:
        items: with ``case_id``, and with what says where the case lies as ``image``.

    Returns:
        Copies; marked ones have ``problem``, and a ``case_id`` that can be shown.
    """
    counts = Counter(_folded(item["case_id"]) for item in items)
    return tuple(_checked(dict(item), counts) for item in items)


def _checked(item: dict[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    case_id = item["case_id"]
    if not is_case_id(case_id):
        return {
            **item,
            "case_id": shown_id(case_id),
            "problem": id_problem(case_id, _place(item["image"])),
        }
    if counts[_folded(case_id)] > 1:
        text = (
            f"Case {case_id}: case names must differ in more than case; got it"
            f" {counts[_folded(case_id)]} times, here from"
            f" {_shortened(str(_place(item['image'])))}. Rename one, or name the cases in a .csv"
            " list."
        )
        return {**item, "problem": CaseError("E_CASE_ID", text)}
    return item


def _place(image: Any) -> Any:
    return next(iter(image.values())) if isinstance(image, Mapping) else image


def _folded(case_id: str) -> str:
    return unicodedata.normalize("NFC", case_id).casefold()


def check_distinct_ids(names: Iterable[str]) -> None:
    """Refuse two cases whose results would go into one folder.

    Raises:
        UsageError: two names are equal, or differ only in case.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(_folded(name))
        if other is not None:
            raise UsageError(
                "E_CASE_ID",
                f"Case names must differ in more than case; got {shown_id(other)} and"
                f" {shown_id(name)}. Rename one.",
            )
        seen[_folded(name)] = name


def patient_of(case_id: str) -> str:
    """Name the patient of a case where a collection of `COLLECTIONS` writes patient and visit into
    its name.
    """
    matches = (pattern.fullmatch(case_id) for pattern in COLLECTIONS.values())
    return next((match.group("patient") for match in matches if match), case_id)


def case_patient(case: Mapping[str, Any]) -> str:
    """Name the patient of a case: the one that its list gives, else the one that its name
    implies.
    """
    return str(case.get("patient") or patient_of(case["case_id"]))
