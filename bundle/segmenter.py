"""Segments cases from Python, with the same parts as the bundle's inference config."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.configuration import load_config
from bundle.errors import find_user_error
from bundle.outputs.case_result import CaseResult
from bundle.outputs.map_files import (
    ContributionFiles,
    EntropyFiles,
    LabelMapFile,
    Maps,
    WeightFiles,
)
from bundle.outputs.output_list import chosen_numbering
from bundle.tasks.contributions import Contributions

Image = Path | str | NDArray[Any]


@dataclass(frozen=True)
class SegmentedCase:
    """The maps of one case, on its own grid.

    Attributes:
        maps: ``seg`` (H, W, D) uint8 as the numbering has it, ``entropy`` (H, W, D) float32 in
            bits, and ``weight-MODALITY`` (H, W, D) float32 for every acquired modality; with the
            setting ``contributions`` also those maps, see ``map_files.ContributionFiles``.
        affine: (4, 4), voxel to world, RAS+ mm.
        result: modalities, volumes in ml, mean weights, warnings; plain JSON.
    """

    maps: dict[str, NDArray[Any]]
    affine: NDArray[np.float64]
    result: dict[str, Any]


class Segmenter:
    """Loads the network once and segments any number of cases.

    Args:
        settings: settings of ``configs/inference.yaml`` to replace, for example ``device_name`` or
            ``overlap``.

    Raises:
        SetupError: weights or settings are unusable.
    """

    def __init__(self, **settings: Any) -> None:
        parser = load_config("inference.yaml", settings)
        self.network = parser.get_parsed_content("network")
        self.device = parser.get_parsed_content("device")
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer = parser.get_parsed_content("inferer")
        self.postprocessing = parser.get_parsed_content("postprocessing")
        task = parser.get_parsed_content("task")
        numbering = chosen_numbering(task, parser.get_parsed_content("label_convention"))
        self.outputs = (
            LabelMapFile(numbering),
            EntropyFiles(task, parser.get_parsed_content("entropy_per_region")),
            WeightFiles(task, parser.get_parsed_content("weights_per_region")),
            ContributionFiles(task, Contributions(parser.get_parsed_content("contributions"))),
        )

    def __call__(
        self,
        images: Mapping[str, Image] | Path | str,
        *,
        affine: NDArray[Any] | None = None,
        case_id: str | None = None,
    ) -> SegmentedCase:
        """Segment one case.

        Args:
            images: modality to file or to array (H, W, D), or a case folder. ``t1``, ``t1ce``,
                ``t2`` and ``flair`` are understood too. Leave a modality out that was not acquired.
            affine: (4, 4), voxel to world in RAS+ mm; needed with arrays.
            case_id: name for messages and the result.

        Raises:
            CaseError: the case cannot be used; the message says why and what to do.
        """
        case = self._read({"image": images, "affine": affine, "case_id": case_id})
        with torch.inference_mode():
            batch = case["image"][None].to(self.device)
            mixture = self.inferer(batch, self.network, case["presence"][None])
            case["pred"] = {name: part[0] for name, part in mixture.items()}
        result = CaseResult.of_case(self.postprocessing(case))
        maps: Maps = {}
        for output in self.outputs:
            maps |= output.maps(result)
        return SegmentedCase(maps, result.record.grid.affine, dict(result.facts))

    def _read(self, source: dict[str, Any]) -> dict[str, Any]:
        try:
            case: dict[str, Any] = self.preprocessing(source)
        except RuntimeError as error:  # MONAI's wrapping
            known = find_user_error(error)
            if known is None:
                raise
            raise known from None
        return case


def segment_case(
    images: Mapping[str, Image] | Path | str,
    *,
    affine: NDArray[Any] | None = None,
    case_id: str | None = None,
    **settings: Any,
) -> SegmentedCase:
    """Segment one case from files, arrays or a case folder; see ``Segmenter`` to do so for many.

    Example::

        case = segment_case({"t1c": "case-t1c.nii.gz", "t2f": "case-t2f.nii.gz"})
        case.maps["seg"], case.result["volumes_ml"]
    """
    return Segmenter(**settings)(images, affine=affine, case_id=case_id)
