"""Makes a case of an exam: one grid, registered, and nothing but the brain."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bundle.cases.case_volumes import read_case_volumes
from bundle.cases.prepared_exam import DicomSource, PreparedExam, PreparedModality
from bundle.files.hashes import sha256_of_files
from bundle.preparing.alignment import (
    AlignedScan,
    Register,
    align,
    check_positions,
    move_warnings,
)
from bundle.preparing.brain_cut import BrainCut, GetExtractor, brain_of_exam
from bundle.preparing.options import PrepareOptions
from bundle.preparing.prepared_case import write_prepared
from bundle.preparing.reference import choose_reference
from bundle.preparing.working_grid import lies_there, on_grid, within
from bundle.registration.registration import register as register_scans
from bundle.tasks.task import Task
from bundle.volumes.background import is_of_background
from bundle.volumes.common_grid import check_distinct
from bundle.volumes.geometry import same_grid
from bundle.volumes.image_volume import Volume


class ExamPreparer:
    """Prepares exams by the same options.

    Args:
        options: see there.
        task: whose modalities exams have.
        get_extractor: makes the network that cuts brains out, when the first exam needs it.
        register: registers a scan to its reference.
    """

    def __init__(
        self,
        options: PrepareOptions,
        task: Task,
        get_extractor: GetExtractor,
        register: Register = register_scans,
    ) -> None:
        self.options, self.task = options, task
        self.get_extractor, self.register = get_extractor, register

    def prepare(
        self,
        files: Mapping[str, Any],
        folder: Path,
        case_id: str,
        *,
        sources: Mapping[str, DicomSource] | None = None,
        warnings: tuple[str, ...] = (),
        made_of: str | None = None,
    ) -> PreparedExam:
        """Prepare one exam.

        A scan that lies on the grid of the reference, registered and without a skull, is copied
        byte by byte.

        Args:
            files: modality to image, on any grids.
            folder: that becomes the case; whole or not at all.
            case_id: name of the case and its files.
            sources: of those that are of DICOM.
            warnings: what was said of the exam before.
            made_of: by which `prepared_case.find_earlier` knows the case again.

        Raises:
            CaseError: a scan cannot be read or registered, or there is a skull that cannot be cut
                off.
            OutputError: the folder cannot be written.
        """
        volumes = read_case_volumes(files, case_id, None, self.task)
        check_distinct(volumes, case_id=case_id)
        check_positions(volumes, case_id)
        reference = choose_reference(
            volumes, self.options.reference, case_id=case_id, task=self.task
        )
        scans, left_out = align(
            volumes,
            reference,
            self.register,
            case_id=case_id,
            leave_out_failed=self.options.leave_out_failed,
        )
        grid = volumes[reference].grid
        working, brain = self._working(scans, reference, case_id)
        untouched = {
            name
            for name, scan in scans.items()
            if brain is None and not scan.is_moved and same_grid(scan.volume.grid, grid)
        }
        exam = self._record(files, scans, reference, brain, sources or {})
        said = [f"{name} is left out: {reason}" for name, reason in left_out.items()]
        for name, scan in scans.items():
            lost = () if name in untouched else _lost(scan.volume, brain)
            said += [f"{name}: {text}" for text in (*lost, *move_warnings(scan, reference))]
        exam = replace(exam, left_out=left_out, warnings=(*warnings, *said, *exam.warnings))
        write_prepared(folder, case_id, exam, working, untouched, made_of)
        return exam

    def _working(
        self, scans: Mapping[str, AlignedScan], reference: str, case_id: str
    ) -> tuple[dict[str, Volume], BrainCut | None]:
        """Bring scans onto the grid of the reference, and cut the brain out, if that is to be."""
        grid = scans[reference].volume.grid
        order = [reference, *(name for name in scans if name != reference)]
        working = {name: on_grid(scans[name], grid) for name in order}
        brain = brain_of_exam(
            scans,
            working,
            case_id=case_id,
            mask_file=self.options.brain_mask,
            get_extractor=self.get_extractor,
        )
        if brain is not None:
            working = {name: within(volume, brain.mask) for name, volume in working.items()}
        return {name: working[name] for name in scans}, brain

    def _record(
        self,
        files: Mapping[str, Any],
        scans: Mapping[str, AlignedScan],
        reference: str,
        brain: BrainCut | None,
        sources: Mapping[str, DicomSource],
    ) -> PreparedExam:
        grid = scans[reference].volume.grid
        modalities = {
            name: PreparedModality(
                file=_name_of(files[name], sources.get(name)),
                sha256=_sha256(scan.volume, sources.get(name)),
                grid=scan.volume.grid,
                moved_by=tuple(map(tuple, scan.move.tolist())),
                resampled=not lies_there(scan, grid),
                quality=scan.quality,
                dicom=sources.get(name),
            )
            for name, scan in scans.items()
        }
        return PreparedExam(
            reference=reference,
            modalities=modalities,
            brain_by="" if brain is None else brain.by,
            warnings=() if brain is None else brain.warnings,
        )


def _lost(volume: Volume, brain: BrainCut | None) -> tuple[str, ...]:
    """Return what was said of a scan and cannot be seen in the image that is written.

    What lay around a brain that was cut out does not matter any more.
    """
    return tuple(text for text in volume.warnings if brain is None or not is_of_background(text))


def _name_of(file: Any, source: DicomSource | None) -> str:
    """Name what was read; the image that a series was converted to is gone by then."""
    return str(file) if source is None else f"DICOM series {source.series_uid}"


def _sha256(volume: Volume, source: DicomSource | None) -> str:
    """Return the hash of what was acquired: of an image, or of a series' files in order."""
    if source is None:
        return volume.sha256
    return sha256_of_files([Path(file) for file in source.files])
