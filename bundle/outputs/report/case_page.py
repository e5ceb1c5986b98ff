"""The page of a case: one file that needs nothing else, neither a network nor a server."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

from bundle import __version__
from bundle.files.json_file import script_json
from bundle.outputs.report.case_view import CaseView
from bundle.outputs.report.case_words import (
    checksum_rows,
    flags,
    interval_level,
    mean_entropy,
    modality_rows,
    preparation_rows,
    run_rows,
    summary_words,
    volume_rows,
    volumes_without,
)
from bundle.outputs.report.display_volumes import DisplayVolume, display_volumes, is_reduced
from bundle.outputs.report.page import asset, render, viewer_script
from bundle.outputs.report.pictures import case_pictures
from bundle.plain_text import printable

_MODALITY_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
"""Okabe and Ito's, which people with every kind of colour vision tell apart."""

_TITLES = {"labels": "Segmentation", "decided": "Decided by"}


def case_page(view: CaseView) -> str:
    """Return the HTML of a case's report.

    The same function serves a run that has the case in memory and ``simmlm report``, which reads it
    again.
    """
    facts, task = view.facts, view.task
    volumes = list(display_volumes(view))
    entropy = mean_entropy(facts, task)
    rows = volume_rows(facts, task)
    return render(
        "case.html",
        [asset("common.css"), asset("case.css")],
        [viewer_script(), asset("case.js")],
        case_id=printable(view.case_id),
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        result_version=printable(str(facts.get("versions", {}).get("simmlm", "unknown"))),
        task=task,
        summary=summary_words(facts, task),
        modalities=modality_rows(facts, task),
        regions=task.region_names,
        volumes=rows,
        has_intervals=any(row.interval for row in rows),
        interval_level=interval_level(facts),
        without=volumes_without(facts, task),
        entropy=None if entropy is None else f"{entropy:.2f}",
        flags=flags(facts, task),
        preparation=preparation_rows(facts),
        pictures=case_pictures(view),
        without_images=view.without_images,
        is_reduced=is_reduced(view),
        images=_layers(view, volumes, ["image"]),
        maps=_layers(view, volumes, ["labels", "decided", "entropy", "map", "signed"]),
        label_rows=[(label.name, label.colour) for label in task.labels],
        decided_rows=[(f"decided by {title}", colour) for _, colour, title in _deciders(view)]
        if any(volume.kind == "decided" for volume in volumes)
        else [],
        data=script_json(_viewer_data(view, volumes)),
        checksums=checksum_rows(facts),
        run=list(run_rows(facts)),
    )


def _layers(
    view: CaseView, volumes: Sequence[DisplayVolume], kinds: Sequence[str]
) -> list[dict[str, Any]]:
    """Name the switches of the viewer, each with the index of its volume."""
    return [
        {"index": index, "title": _title(view, volume), "kind": volume.kind}
        for index, volume in enumerate(volumes)
        if volume.kind in kinds and volume.name
    ]


def _title(view: CaseView, volume: DisplayVolume) -> str:
    titles = {modality.name: modality.title for modality in view.task.modalities}
    if volume.kind in _TITLES:
        return _TITLES[volume.kind]
    kind, _, rest = volume.name.partition("-")
    title = titles.get(rest or kind, printable(rest))
    return title if volume.kind == "image" else f"{kind.capitalize()} {title}".strip()


def _deciders(view: CaseView) -> list[tuple[int, str, str]]:
    """Return what the map of those that decided has: number, colour and title of each modality."""
    colours = cycle(_MODALITY_COLOURS)
    return [
        (number, next(colours), modality.title)
        for number, modality in enumerate(view.task.modalities, 1)
    ]


def _viewer_data(view: CaseView, volumes: Sequence[DisplayVolume]) -> dict[str, Any]:
    first = next(
        (i for i, v in enumerate(volumes) if v.kind == "image" and v.name == view.shown_modality), 0
    )
    return {
        "volumes": [
            {
                "name": v.name,
                "title": _title(view, v),
                "kind": v.kind,
                "low": v.low,
                "high": v.high,
                "data": v.data,
            }
            for v in volumes
        ],
        "first": first,
        "labels": [[0, "#000000", ""]]
        + [[label.value, label.colour, label.name] for label in view.task.labels],
        "decided": [[0, "#000000", ""], *_deciders(view)],
        "start": view.focus_mm,
    }
