"""Writes the maps of a case as NIfTI on the patient's grid, and a JSON that says how they came
about.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from bundle import __version__
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError, SetupError
from bundle.files.json_file import json_bytes
from bundle.files.staged_folder import staged
from bundle.outputs.earlier_results import check_free
from bundle.outputs.map_files import (
    MAP_KINDS,
    Maps,
    check_finite,
    collect_maps,
    label_map,
    map_names,
    possible_names,
    preview_name,
)
from bundle.outputs.preview import draw_preview
from bundle.outputs.publication import publish
from bundle.outputs.slicer_files import slicer_file_names, write_slicer_files
from bundle.tasks.regions import CONVENTIONS, LABEL_NAMES
from bundle.volumes.common_grid import read_input
from bundle.volumes.nifti_output import write_volume


class MapWriter:
    """Ignite handler that writes ``OUT/CASE/CASE_*.nii.gz`` and, last, ``OUT/CASE/CASE.json``.

    A handler rather than a transform in ``postprocessing``, because MONAI Label runs the transforms
    too and would write on its server. Where the JSON stands, the case is complete. What must not be
    replaced, see ``earlier_results``, is refused as soon as the case is read, before anything is
    computed.

    Args:
        output_dir: made if it is not there.
        weights_sha256: of the network's weights, for the record.
        label_convention: numbering of the label map on disk, a key of ``regions.CONVENTIONS``.
        settings: what else should stand in the JSON, for example window and overlap.
        preview: also draw ``CASE_preview.png``.
        slicer: also write what 3D Slicer opens with names and colours, see ``slicer_files``.
        overwrite: replace the result of another input, too.

    Raises:
        SetupError: E_SETTING, an unknown numbering.
    """

    def __init__(
        self,
        output_dir: Path | str,
        weights_sha256: str,
        label_convention: str = "brats2023",
        settings: Mapping[str, Any] | None = None,
        preview: bool = False,
        slicer: bool = False,
        overwrite: bool = False,
    ) -> None:
        if label_convention not in CONVENTIONS:
            raise SetupError(
                "E_SETTING",
                f"label_convention must be one of {', '.join(CONVENTIONS)}; got"
                f" {label_convention!r}. Choose one.",
            )
        self.output_dir = Path(output_dir)
        self.weights_sha256 = weights_sha256
        self.label_convention = label_convention
        self.settings = dict(settings or {})
        self.preview = preview
        self.slicer = slicer
        self.overwrite = overwrite
        self.started_s = 0.0

    def attach(self, engine: Engine) -> None:
        """Write after every iteration of an evaluator that decollates its batches."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._check_batch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_batch)

    def _start(self, _engine: Engine) -> None:
        self.started_s = time.monotonic()

    def _check_batch(self, engine: Engine) -> None:
        state: Any = engine.state
        for text in state.batch["record"]:
            self.check(CaseRecord.from_json(text))

    def check(self, record: CaseRecord) -> None:
        """Refuse a case whose results would replace what they must not, see
        ``earlier_results.check_free``.
        """
        case_id = record.case_id
        maps = ["seg", "entropy", *(f"weight-{modality}" for modality in record.modalities)]
        check_free(
            self.output_dir / case_id,
            case_id,
            record.inputs,
            needed=[*map_names(case_id, maps), *self._companions(case_id)],
            possible=possible_names(case_id),
            overwrite=self.overwrite,
        )

    def _companions(self, case_id: str) -> list[str]:
        """Name the files beside maps and JSON."""
        preview = [preview_name(case_id)] if self.preview else []
        return [*preview, *(slicer_file_names(case_id) if self.slicer else ())]

    def _write_batch(self, engine: Engine) -> None:
        computed_s = time.monotonic() - self.started_s
        state: Any = engine.state
        for item, output in zip(state.batch, state.output, strict=True):
            self.write({**item, **output}, computed_s)

    def write(
        self,
        case: Mapping[str, Any],
        computed_s: float | None = None,
        kinds: Sequence[str] = MAP_KINDS,
    ) -> Path:
        """Write one case.

        Args:
            case: after post-processing, see ``maps.SplitMapsd``.
            computed_s: seconds from the first byte read to the last map, for the JSON; None where
                nobody measured.
            kinds: which of ``MAP_KINDS`` to write.

        Returns:
            The case's folder.

        Raises:
            CaseError: E_NOT_FINITE, a map or fact is no number; E_CHANGED, a file is not what was
                read; or what is there must not be replaced. Nothing is written.
            OutputError: the folder cannot be written; files of an earlier run may be gone, nothing
                is half-written.
        """
        record = CaseRecord.from_json(case["record"])
        self.check(record)
        folder = self.output_dir / record.case_id
        maps = collect_maps(case, record, self.label_convention)
        maps = {name: values for name, values in maps.items() if name.split("-")[0] in kinds}
        check_finite(maps, record.case_id)
        text = to_json(
            self._facts(case["result"], record, sorted(maps), computed_s), record.case_id
        )
        with staged(folder) as stage:
            for name, values in maps.items():
                write_volume(
                    stage / f"{record.case_id}_{name}.nii.gz", values, record.grid, description=name
                )
            self._write_companions(stage, {**maps, "seg": label_map(case)}, record)
            (stage / f"{record.case_id}.json").write_bytes(text)
            publish(stage, folder, record)
        return folder

    def _write_companions(self, stage: Path, maps: Maps, record: CaseRecord) -> None:
        """Write what was asked for besides the maps; ``seg`` has the values of
        ``regions.LABEL_NAMES``.
        """
        case_id = record.case_id
        if self.preview:
            _draw(stage / preview_name(case_id), maps, record)
        if self.slicer:
            write_slicer_files(
                stage, maps["seg"], record.grid, case_id=case_id, convention=self.label_convention
            )

    def _facts(
        self,
        result: Mapping[str, Any],
        record: CaseRecord,
        maps: list[str],
        computed_s: float | None,
    ) -> dict[str, Any]:
        numbering = {
            str(disk): LABEL_NAMES[here]
            for disk, here in CONVENTIONS[self.label_convention].items()
        }
        return {
            **result,
            "labels": {"convention": self.label_convention, "values": numbering},
            "maps": map_names(record.case_id, maps),
            "companions": self._companions(record.case_id),
            "units": {
                "volumes": "ml",
                "entropy": "bit",
                "weights": "share, sums to 1 over acquired modalities",
            },
            "inputs": record.inputs,
            "weights_sha256": self.weights_sha256,
            "settings": self.settings,
            "seconds": {} if computed_s is None else {"reading_to_maps": round(computed_s, 3)},
            "versions": {
                "simmlm": __version__,
                "monai": monai.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
            "intended_use": "research only, not for diagnosis",
        }


def to_json(facts: Mapping[str, Any], case_id: str) -> bytes:
    """Return the JSON of a case; a name that is not UTF-8 keeps its bytes as an escape.

    Raises:
        CaseError: E_NOT_FINITE, a fact is NaN or infinite, which JSON does not have.
    """
    try:
        return json_bytes(facts)
    except ValueError as error:
        raise CaseError(
            "E_NOT_FINITE",
            f"Case {case_id}: every fact of the result must be a number; got {error}. Look at the"
            " intensities of the images.",
        ) from None


def _draw(path: Path, maps: Maps, record: CaseRecord) -> None:
    """Draw the case on the intensities of its files; those in memory are normalised and cropped by
    now.
    """
    images = {modality: _read_again(record, modality) for modality in record.modalities}
    draw_preview(path, images, maps, record.grid.affine, title=record.case_id)


def _read_again(record: CaseRecord, modality: str) -> NDArray[np.float32]:
    """Read what was segmented, and nothing else: somebody may have replaced the file meanwhile."""
    entry = record.inputs[modality]
    volume = read_input(entry, record.grid, case_id=record.case_id, modality=modality)
    if volume.sha256 != entry["sha256"]:
        raise CaseError(
            "E_CHANGED",
            f"{record.case_id}, {modality}, {entry['file']}: the file must stay as it is until the"
            " case is done; it was changed meanwhile. Run the case again.",
        )
    return volume.data
