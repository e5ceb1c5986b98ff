"""Says which pictures and titles of a table cannot be used, in the log."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from bundle.classification.image_text.title_tables import Listed, class_names
from bundle.errors import UsageError
from bundle.files.text_file import shown

LOGGER = logging.getLogger("simmlm")
_N_NAMED = 3

Lacking = Mapping[str, Mapping[int, str]]
"""Modality to positions in a table, each with the reason why it cannot be used."""


def tell_lacking(table: Path, listed: Sequence[Listed], lacking: Lacking) -> None:
    """Say how many cases lack what, and the first of them by name.

    Args:
        table: names the cases.
        listed: its rows.
        lacking: what is wrong with some.

    Raises:
        UsageError: E_CASE, a modality is missing in all cases.
    """
    neither = dict.fromkeys(set.intersection(*map(set, lacking.values())), "")
    parts = [f"without {name} {_counted(listed, places)}" for name, places in lacking.items()]
    LOGGER.log(
        logging.WARNING if any(lacking.values()) else logging.INFO,
        "%s: %d cases of %d classes; %s; left out, for want of all, %s",
        shown(table),
        len(listed),
        len(class_names(listed)),
        "; ".join(parts),
        _counted(listed, neither),
    )
    for name, places in lacking.items():
        if len(places) == len(listed):
            raise UsageError(
                "E_CASE",
                f"{shown(table)} must have a case with a usable {name}; got none of"
                f" {_counted(listed, places)}. Check the folder and the table.",
            )


def _counted(listed: Sequence[Listed], places: Mapping[int, str]) -> str:
    if not places:
        return "0"
    first = (
        f"{shown(listed[place].case_id, 80)}{f': {reason}' if reason else ''}"
        for place, reason in islice(sorted(places.items()), _N_NAMED)
    )
    more = ", ..." if len(places) > _N_NAMED else ""
    return f"{len(places)} ({', '.join(first)}{more})"
