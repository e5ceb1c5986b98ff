"""What a request to a MONAI Label server may ask for besides the label map, and how it is answered."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import convert_to_dst_type

from bundle.data.cases import check_case_id
from bundle.errors import CaseError
from bundle.inference.writing import MapWriter
from bundle.networks.checkpoints import file_sha256
from bundle.regions import CONVENTIONS, LABEL_NAMES, to_convention

OVERLAP, NUMBERING, MAPS = "overlap", "label_numbering", "maps"

MAP_SETS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "entropy": ("seg", "entropy"),
    "all": ("seg", "entropy", "weight"),
}
"""What ``maps`` may be, and the kinds of files that each keeps on the server."""

MAX_OVERLAP = 0.9
"""The number of windows grows with the cube of 1 / (1 - overlap); a request must not keep a server busy for ever."""


class TakeRequestd(Transform):
    """Check the options of a MONAI Label request; cases from elsewhere have none and pass.

    MONAI Label writes options into the bundle's config, whose parser evaluates text that begins with ``$`` wherever
    something refers to it. Therefore nothing in the config refers to them: they are read here, from the request.
    ``overlap`` goes into the image's metadata, the only thing that an inferer is given.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Check ``overlap``, ``label_numbering`` and ``maps``, whichever are there.

        Args:
            data: a loaded case. An option may be a list of choices, of which the first is meant: so MONAI Label
                passes on what a client did not choose.

        Raises:
            CaseError: E_OPTION, an option is none of the choices.
            UsageError: E_CASE_ID, the case's name cannot be that of a folder for its maps.
        """
        case = dict(data)
        if MAPS in case:
            check_case_id(case["case_id"])
        if OVERLAP in case:
            image: MetaTensor = case["image"]
            image.meta[OVERLAP] = _overlap(case[OVERLAP])
        for option, choices in ((NUMBERING, CONVENTIONS), (MAPS, MAP_SETS)):
            if option in case:
                case[option] = _choice(option, case[option], choices)
        return case


class AnswerRequestd(Transform):
    """Give the label map the numbering that a request asks for, and keep its maps in a folder of the server.

    MONAI Label returns one image and JSON; entropy and weight maps cannot travel with them. Without a request this
    does nothing.

    Args:
        checkpoint: the bundle's weights, for the record.
        maps_dir: where requested maps are kept, ``MAPS_DIR/CASE/``; None keeps none and says so in the result.
        settings: what should stand in the JSON beside the maps.
    """

    def __init__(
        self, checkpoint: Path | str, maps_dir: Path | str | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.checkpoint = Path(checkpoint)
        self.maps_dir = maps_dir
        self.settings = dict(settings or {})

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Answer one request.

        Args:
            data: after ``maps.SplitMapsd`` and ``TakeRequestd``.

        Raises:
            OutputError: the maps cannot be written.
        """
        case = dict(data)
        if NUMBERING in case:
            case["result"] = {**case["result"], **self._keep_maps(case), "labels": _values(case[NUMBERING])}
            label = to_convention(case["pred"].numpy(force=True), case[NUMBERING])
            case["pred"] = convert_to_dst_type(torch.from_numpy(label), case["pred"], dtype=torch.uint8)[0]
        return case

    def _keep_maps(self, case: Mapping[Hashable, Any]) -> dict[str, Any]:
        kinds = MAP_SETS[case.get(MAPS, "none")]
        if not kinds:
            return {}
        if self.maps_dir is None:
            text = "maps were asked for, but this server keeps none: it must be started with SIMMLM_MAPS_DIR"
            return {"warnings": [*case["result"]["warnings"], text]}
        settings = {**self.settings, OVERLAP: case.get(OVERLAP)}
        writer = MapWriter(self.maps_dir, self._weights_sha256(case), case[NUMBERING], settings, slicer=True)
        folder = writer.write({str(key): value for key, value in case.items()}, kinds=kinds)
        return {"maps": sorted(str(path) for path in folder.iterdir())}

    def _weights_sha256(self, case: Mapping[Hashable, Any]) -> str:
        """Give the checksum of the weights that the request chose among the bundle's; a name only, never a path."""
        chosen = case.get("model_filename") or self.checkpoint.name
        name = chosen if isinstance(chosen, str) else chosen[0]
        return file_sha256(self.checkpoint.with_name(Path(name).name))


def _values(numbering: str) -> dict[str, Any]:
    return {
        "convention": numbering,
        "values": {str(disk): LABEL_NAMES[here] for disk, here in CONVENTIONS[numbering].items()},
    }


def _overlap(value: Any) -> float:
    try:
        overlap = float(value)
    except (TypeError, ValueError):
        overlap = -1.0
    if not 0 <= overlap <= MAX_OVERLAP:
        raise CaseError(
            "E_OPTION", f"overlap must be a share of the window, 0 to {MAX_OVERLAP}; got {value!r}. Choose another."
        )
    return overlap


def _choice(option: str, value: Any, choices: Mapping[str, Any]) -> str:
    chosen = value[0] if isinstance(value, list | tuple) and value else value
    if not isinstance(chosen, str) or chosen not in choices:
        raise CaseError(
            "E_OPTION", f"{option} must be one of {', '.join(choices)}; got {chosen!r}. Choose one of them."
        )
    return chosen
