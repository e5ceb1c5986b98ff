"""What a request to a MONAI Label server may ask for besides the label map, and how it is
answered.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import convert_to_dst_type

from bundle.datasets.listing import check_case_id
from bundle.errors import CaseError, SetupError
from bundle.names.case_ids import is_case_id
from bundle.outputs.facts_file import label_facts
from bundle.outputs.map_writer import MapWriter
from bundle.outputs.output_list import case_outputs
from bundle.tasks.contributions import Contributions
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.weights.checkpoints import file_sha256, verified_sha256

OVERLAP, NUMBERING, MAPS = "overlap", "label_numbering", "maps"
MODEL, WEIGHTS = "model", "model_filename"
DEVICE, VOXELS, TAG = "device", "result_dtype", "label_tag"
"""What MONAI Label itself reads from a request; it names the model in every one."""

NO_MAPS, ALL_MAPS = "none", "all"
MAP_SETS = (NO_MAPS, "entropy", ALL_MAPS)
"""What ``maps`` may be: the server keeps nothing, label map and entropy, or weights too."""

MAX_OVERLAP = 0.9
"""The number of windows grows with the cube of 1 / (1 - overlap).

A request must not keep a server busy for ever.
"""


class TakeRequestd(Transform):
    """Check a MONAI Label request, and let other cases pass unchanged.

    MONAI Label hands a request's values to the transforms as entries of the case. They are read
    here and nowhere else: the config names no option, because MONAI's parser runs text that it
    finds in one (docs/decisions/0004-options.md). ``overlap`` goes into the image's metadata, the
    only thing that an inferer is given.

    Args:
        checkpoint: the bundle's weights, which MONAI Label loads without a look at their checksum.
        default_maps: what a request means that does not say ``maps``; 3D Slicer's do not.
        task: of the network.

    Raises:
        SetupError: E_OPTION, no such maps.
    """

    def __init__(
        self, checkpoint: Path | str, default_maps: str = NO_MAPS, task: Task = DEFAULT_TASK
    ) -> None:
        if default_maps not in MAP_SETS:
            raise SetupError(
                "E_OPTION",
                f"SIMMLM_MAPS must be one of {', '.join(MAP_SETS)}; got {default_maps!r}. Choose"
                " one of them.",
            )
        self.checkpoint = Path(checkpoint)
        self.numberings = tuple(task.numberings)
        self.defaults = {NUMBERING: task.default_numbering.name, MAPS: default_maps}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Check ``overlap``, ``label_numbering``, ``maps`` and what MONAI Label reads itself,
        whichever are there.

        Args:
            data: a loaded case. An option may be a list of choices, of which the first is meant: so
                MONAI Label passes on what a client did not choose.

        Raises:
            CaseError: E_OPTION, an option is none of the choices.
            SetupError: the weights are damaged or have no checksum.
            UsageError: E_CASE_ID, the case's name cannot be that of a folder for its maps.
        """
        case = dict(data)
        if WEIGHTS in case:
            self._check_weights(case[WEIGHTS])
        _check_for_server(case)
        if OVERLAP in case:
            case[OVERLAP] = _overlap(case[OVERLAP])
            image: MetaTensor = case["image"]
            image.meta[OVERLAP] = case[OVERLAP]
        if case.keys() & {MODEL, MAPS, NUMBERING}:
            for option, choices in ((NUMBERING, self.numberings), (MAPS, MAP_SETS)):
                case[option] = _choice(option, case.get(option, self.defaults[option]), choices)
            if case[MAPS] != NO_MAPS:
                check_case_id(case["case_id"])
        return case

    def _check_weights(self, chosen: Any) -> None:
        """Allow the bundle's weights only: MONAI Label tells files by their time, and would mix up
        two of one time.
        """
        name = chosen[0] if isinstance(chosen, list | tuple) and chosen else chosen
        if name != self.checkpoint.name:
            raise CaseError(
                "E_OPTION",
                f"{WEIGHTS} must be {self.checkpoint.name}, the bundle's weights; got {name!r}."
                f" Leave it out, and keep no other *.pt in {self.checkpoint.parent}.",
            )
        verified_sha256(self.checkpoint)


class AnswerRequestd(Transform):
    """Give the label map the numbering that a request asks for, and keep its maps in a folder of
    the server.

    MONAI Label returns one image and JSON; entropy and weight maps cannot travel with them. Without
    a request this does nothing.

    Args:
        checkpoint: the bundle's weights, for the record.
        maps_dir: where requested maps are kept, ``MAPS_DIR/CASE/``; None keeps none and says so in
            the result.
        settings: what should stand in the JSON beside the maps.
        entropy_per_region: as given to ``maps.SplitMapsd``.
        weights_per_region: as given to ``MixtureInferer``.
        contributions: as given to ``maps.SplitMapsd``: kept with the weights.
        task: of the network.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        maps_dir: Path | str | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        entropy_per_region: bool = False,
        weights_per_region: bool = False,
        contributions: str = Contributions.none,
        task: Task = DEFAULT_TASK,
    ) -> None:
        self.checkpoint = Path(checkpoint)
        self.maps_dir = maps_dir
        self.settings = dict(settings or {})
        self.per_region = {
            "entropy_per_region": entropy_per_region,
            "weights_per_region": weights_per_region,
        }
        self.contributions = contributions
        self.task = task

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Answer one request.

        Args:
            data: after ``maps.SplitMapsd`` and ``TakeRequestd``.

        Raises:
            OutputError: the maps cannot be written.
        """
        case = dict(data)
        if NUMBERING in case:
            numbering = self.task.numbering(case[NUMBERING])
            case["result"] = {
                **case["result"],
                **self._keep_maps(case),
                "labels": label_facts(self.task, numbering),
            }
            label = numbering.write(case["pred"].numpy(force=True))
            case["pred"] = convert_to_dst_type(
                torch.from_numpy(label), case["pred"], dtype=torch.uint8
            )[0]
        return case

    def _keep_maps(self, case: Mapping[Hashable, Any]) -> dict[str, Any]:
        maps = case.get(MAPS, NO_MAPS)
        if maps == NO_MAPS:
            return {}
        if self.maps_dir is None:
            text = (
                "maps were asked for, but this server keeps none: it must be started with"
                " SIMMLM_MAPS_DIR"
            )
            return {"warnings": [*case["result"]["warnings"], text]}
        settings = {**self.settings, **({OVERLAP: case[OVERLAP]} if OVERLAP in case else {})}
        outputs = case_outputs(
            file_sha256(self.checkpoint),
            case[NUMBERING],
            settings=settings,
            weights=maps == ALL_MAPS,
            contributions=self.contributions if maps == ALL_MAPS else Contributions.none,
            slicer=True,
            task=self.task,
            entropy_per_region=self.per_region["entropy_per_region"],
            weights_per_region=self.per_region["weights_per_region"],
        )
        folder = MapWriter(self.maps_dir, outputs).write(
            {str(key): value for key, value in case.items()}
        )
        return {"maps": sorted(str(path) for path in folder.iterdir())}


def _overlap(value: Any) -> float:
    try:
        overlap = float(value)
    except (TypeError, ValueError, OverflowError):
        overlap = -1.0
    if not 0 <= overlap <= MAX_OVERLAP:
        raise CaseError(
            "E_OPTION",
            f"overlap must be a share of the window, 0 to {MAX_OVERLAP}; got {value!r}. Choose"
            " another.",
        )
    return overlap


def _check_for_server(case: Mapping[Hashable, Any]) -> None:
    """Check what MONAI Label will use after the transforms: device, type of voxels, name of a
    folder for labels.
    """
    for key, rule, fits in (
        (DEVICE, "a device such as cpu or cuda:0", _is_device),
        (VOXELS, "a type that holds label values, such as uint8", _holds_labels),
        (TAG, "a plain name", _is_name),
    ):
        if case.get(key) is not None and not fits(case[key]):
            raise CaseError(
                "E_OPTION", f"{key} must be {rule}; got {case[key]!r}. Correct or leave it out."
            )


def _is_device(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(torch.device(value))
    except RuntimeError:
        return False


def _holds_labels(value: Any) -> bool:
    """Whether label values stay what they are in this type: as Booleans all of them would
    become 1.
    """
    try:
        return isinstance(value, str) and np.dtype(value).kind in "iuf"
    except (TypeError, ValueError):
        return False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and is_case_id(value)


def _choice(option: str, value: Any, choices: Sequence[str]) -> str:
    chosen = value[0] if isinstance(value, list | tuple) and value else value
    if not isinstance(chosen, str) or chosen not in choices:
        raise CaseError(
            "E_OPTION",
            f"{option} must be one of {', '.join(choices)}; got {chosen!r}. Choose one of them.",
        )
    return chosen
