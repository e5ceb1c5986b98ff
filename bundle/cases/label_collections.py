"""Collections of cases whose names tell how their labels are numbered, as far as they do."""

import re
from collections.abc import Collection as Values
from pathlib import Path
from typing import NamedTuple

from bundle.names.file_names import label_convention
from bundle.tasks.regions import CONVENTIONS


class LabelCollection(NamedTuple):
    """Cases that are published together.

    Attributes:
        name: for messages.
        pattern: what the names of its cases hold, case ignored.
        numberings: keys of ``regions.CONVENTIONS`` that its releases use; none where labels name no
            regions.
    """

    name: str
    pattern: str
    numberings: tuple[str, ...]


COLLECTIONS = (
    LabelCollection("BraTS-MEN-RT", r"brats[-_ ]?men[-_ ]?rt(?![a-z])", ()),
    LabelCollection("BraTS-PED", r"brats[-_ ]?peds?(?![a-z])", ("brats2023", "brats-ped")),
    LabelCollection("BraTS-GLI", r"brats[-_ ]?gli(?![a-z])", ("brats2023", "brats2024")),
    LabelCollection("BraTS-MET", r"brats[-_ ]?mets?(?![a-z])", ("brats2023", "brats2024")),
    LabelCollection("BraTS-MEN", r"brats[-_ ]?men(?![a-z])", ("brats2023",)),
    LabelCollection("BraTS-SSA", r"brats[-_ ]?ssa(?![a-z])", ("brats2023",)),
    LabelCollection("BraTS-GoAT", r"brats[-_ ]?goat(?![a-z])", ("brats2023",)),
    LabelCollection("BraTS 2017 to 2021", r"brats(?:20)?(?:17|18|19|20|21)(?!\d)", ("brats2021",)),
    LabelCollection("UPENN-GBM", r"upenn-gbm(?![a-z])", ("brats2021",)),
    LabelCollection("UCSF-PDGM", r"ucsf-pdgm(?![a-z])", ("brats2021",)),
)
"""The one that is tried first is more special.

Participants of 2023 got paediatric cases with three values, those of later years with four; both
are called BraTS-PED. Glioma since 2024 and metastases since 2025 have the resection cavity as 4.
"""

_SEGMENTATION = re.compile(r"(?:^|[-_. ])seg(?:m|mentation)?\.(?:nii|nrrd|mh|mg|img|hdr)", re.I)


def find_collection(label: Path, case_id: str) -> LabelCollection | None:
    """Tell the collection of a label file by its own name, that of its case, or that of its folder;
    None if unknown.
    """
    for name in (label.name, case_id, label.parent.name):
        for collection in COLLECTIONS:
            if re.search(collection.pattern, name, re.I):
                return collection
    return None


def naming(label: Path, case_id: str) -> tuple[str | None, str | None, bool]:
    """Return all that names say of a numbering: collection, style of the file name, whether it
    names a segmentation.
    """
    collection = find_collection(label, case_id)
    is_segmentation = _SEGMENTATION.search(label.name) is not None
    return (collection.name if collection else None), label_convention(label), is_segmentation


def certain_numbering(label: Path, case_id: str, values: Values[int]) -> str:
    """Tell the numbering from the names and the values of a label file, where together they leave
    no doubt.

    A number is never guessed: every numbering that the collection's releases and the style of the
    name allow is tried, and where two of them have all values but read them differently, the file
    is refused.

    Args:
        label: the file; its name, with or without those of case and folder, decides.
        case_id: name of the case.
        values: those in the file.

    Raises:
        ValueError: there is doubt; the message says what the values may mean.
    """
    collection, style = find_collection(label, case_id), label_convention(label)
    if collection is None and style is None:
        raise ValueError(f"the numbering must be known; got a name that does not say. {_known()}")
    if collection is None:
        return _by_style(str(style), values)
    if not collection.numberings:
        raise ValueError(
            f"label values must name tumour regions; those of {collection.name} name a target"
            " volume. Leave these cases out."
        )
    if not _SEGMENTATION.search(
        label.name
    ):  # conversions, such as that to nnU-Net, renumber and take the ending away
        raise ValueError(
            f"the numbering must be known; got a file of {collection.name} that is not called"
            f" CASE-seg. {_known()}"
        )
    return _agreed(
        dict.fromkeys((*collection.numberings, *((style,) if style else ()))),
        collection.name,
        values,
    )


def _by_style(style: str, values: Values[int]) -> str:
    if style == "brats2023" and 4 in values:
        raise ValueError(
            f"label values must tell what 4 means; got {sorted(values)} in a file whose name tells"
            " no collection, so that 4 may be enhancing tumour (brats2021), a resection cavity"
            " (brats2024) or oedema (brats-ped)."
        )
    return style


def _agreed(numberings: Values[str], collection: str, values: Values[int]) -> str:
    """Choose the first numbering that has all values, if those that have them read them alike."""
    fitting = [name for name in numberings if set(values) <= set(CONVENTIONS[name])]
    if not fitting:
        raise ValueError(
            f"label values must be among those of {collection} ({' or '.join(numberings)}); got"
            f" {sorted(values)}."
        )
    readings = {tuple(CONVENTIONS[name][value] for value in sorted(values)) for name in fitting}
    if len(readings) > 1:
        raise ValueError(
            f"label values must tell their numbering; got {sorted(values)}, which files of"
            f" {collection} have in {' and in '.join(fitting)} with other meanings."
        )
    return fitting[0]


def _known() -> str:
    return f"One of {', '.join(CONVENTIONS)} is right."
