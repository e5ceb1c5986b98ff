"""From a DICOM study to one NIfTI file per modality, with whence each came."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.cases.prepared_exam import DicomSource
from bundle.dicom.choice import Choice, Chosen, choose, not_used
from bundle.dicom.conversion import convert
from bundle.dicom.modality_rules import Judgement, judge_series
from bundle.dicom.series import Series, sort_series
from bundle.dicom.series_checks import broken, check_series
from bundle.dicom.series_table import TABLE, decisions, read_series_table, write_series_table
from bundle.dicom.study_files import StudyFiles, read_files
from bundle.dicom.study_list import StudyFolder
from bundle.errors import CaseError, UsageError
from bundle.files.atomic_file import make_folder
from bundle.plain_text import printable
from bundle.tasks.task import Task


@dataclass(frozen=True)
class StudyImages:
    """A study as images.

    Attributes:
        files: modality to a NIfTI file of one volume.
        sources: modality to the series that it was made of.
        warnings: sentences for the user.
        others: series that are not used and why, a sentence each.
    """

    files: Mapping[str, Path]
    sources: Mapping[str, DicomSource]
    warnings: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class StudySeries:
    """The series of a study, and what they are.

    Attributes:
        series: in the order of their numbers.
        judgements: by ``Series.uid``.
        choice: what follows from them.
    """

    series: tuple[Series, ...]
    judgements: Mapping[str, Judgement]
    choice: Choice


def read_study(
    study: Path | StudyFolder,
    work: Path,
    *,
    task: Task,
    case_id: str,
    series_table: Path | None = None,
    table_out: Path | None = None,
) -> StudyImages:
    """Convert the series that are surely the task's modalities.

    Args:
        study: a folder with the files of one study, or an entry of ``list_studies``.
        work: folder for the NIfTI files ``MODALITY.nii.gz``.
        task: says what its modalities look like.
        case_id: for messages.
        series_table: what somebody decided; see docs/clinic.md.
        table_out: where ``series.csv`` is written if it must be decided; in ``work`` if left out.

    Raises:
        CaseError: E_SERIES, it is not sure which series is which modality; E_SERIES_BROKEN;
            E_STUDY; E_CONVERSION; E_UNREADABLE.
        UsageError: E_SERIES_TABLE.
        SetupError: E_EXTRA, pydicom or dcm2niix is not installed; E_TASK, the task has no rules.
        OutputError: a file cannot be written.
    """
    known = find_series(study, task=task, case_id=case_id, series_table=series_table)
    choice = known.choice
    if choice.unclear:
        table = table_out or make_folder(work) / TABLE
        write_series_table(table, known.series, known.judgements, choice)
        raise _undecided(known, table, case_id)
    if not choice.chosen:
        raise _nothing(known, task, case_id)
    files: dict[str, Path] = {}
    sources: dict[str, DicomSource] = {}
    for modality, chosen in choice.chosen.items():
        files[modality] = work / f"{modality}.nii.gz"
        slices = convert(chosen, files[modality], case_id=case_id)
        sources[modality] = _source(chosen, tuple(one.instance.path for one in slices))
    return StudyImages(files, sources, choice.warnings, choice.others)


def find_series(
    study: Path | StudyFolder, *, task: Task, case_id: str, series_table: Path | None = None
) -> StudySeries:
    """Tell which series of a study is which modality, without converting any.

    Raises:
        CaseError: as `read_study`, but for E_SERIES and E_CONVERSION.
        UsageError: E_SERIES_TABLE.
        SetupError: E_EXTRA; E_TASK.
    """
    if not task.series:
        raise UsageError(
            "E_TASK",
            f"Task {task.name} must say which series are its modalities before a study can be read;"
            " got no section series. docs/tasks.md says how.",
        )
    files = read_files(study if isinstance(study, Path) else study.files, case_id=case_id)
    series = sort_series(files.instances)
    _check_one_study(series, case_id)
    judgements = judge_series(series, task)
    if series_table is None:
        choice = choose(series, judgements, task, case_id)
    else:
        choice = _decided(series_table, series, task, case_id)
    warnings = (*choice.warnings, *_file_warnings(files, series))
    choice = Choice(choice.chosen, choice.others, choice.unclear, warnings)
    return StudySeries(series, judgements, choice)


def _check_one_study(series: tuple[Series, ...], case_id: str) -> None:
    """Refuse several patients or studies; objects without images may be of another study."""
    for one in series:
        if len({instance.patient for instance in one.instances}) > 1:
            raise broken(one, case_id, "images of several patients under one series UID")
    images = [one.first for one in series if one.first.pixels.rows]
    for what, values in (
        ("patients", {first.patient for first in images}),
        ("studies", {first.study_uid for first in images}),
    ):
        if len(values) > 1:
            raise CaseError(
                "E_STUDY",
                f"Case {case_id}: a folder must hold one study of one patient; got images of"
                f" {len(values)} {what}. Give the folder of one, or all of them as a batch.",
            )


def _decided(path: Path, series: tuple[Series, ...], task: Task, case_id: str) -> Choice:
    """Take what a table says; what is broken is refused all the same."""
    found, known = decisions(path, read_series_table(path, task), series)
    said = (f"decided in {printable(path.name)}",)
    chosen = {
        name: Chosen(found[name], check_series(found[name], case_id), said)
        for name in task.in_order(found)
    }
    used = {one.uid for one in found.values()}
    others = tuple(
        not_used(one, said[0] if one.uid in known else f"{printable(path.name)} lacks it")
        for one in series
        if one.uid not in used
    )
    return Choice(chosen, others, {}, ())


def _file_warnings(files: StudyFiles, series: tuple[Series, ...]) -> list[str]:
    warnings: list[str] = []
    if files.damaged:
        warnings.append(
            f"{len(files.damaged)} DICOM files of the study are damaged and were left out. Look"
            " whether a series lacks slices; export the study again."
        )
    repeated = sum({one.first.series_uid: one.n_repeated for one in series}.values())
    if repeated:
        warnings.append(f"{repeated} files of the study are copies of others and were left out.")
    return warnings


def _undecided(known: StudySeries, table: Path, case_id: str) -> CaseError:
    titles = {one.uid: one for one in known.series}
    listed: list[str] = []
    for uid, why in known.choice.unclear.items():
        may_be = " or ".join(known.judgements[uid].possible)
        listed.append(f"{titles[uid].title}, which may be {may_be} ({why})")
    return CaseError(
        "E_SERIES",
        f"Case {case_id}: it must be sure what each series is; got {'; '.join(listed)}. Write under"
        f" modality in {printable(str(table))} what they are, and pass it as --series.",
    )


def _nothing(known: StudySeries, task: Task, case_id: str) -> CaseError:
    listed = "; ".join(text.rstrip(".") for text in known.choice.others[:4])
    more = len(known.choice.others) - 4
    return CaseError(
        "E_STUDY",
        f"Case {case_id}: a study must have a series of {', '.join(task.modality_names)}; got"
        f" {listed}{f'; and {more} more' if more > 0 else ''}. Give another study, or decide by"
        " --series.",
    )


def _source(chosen: Chosen, files: tuple[Path, ...]) -> DicomSource:
    first = chosen.series.first
    return DicomSource(
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        description=first.description,
        files=tuple(str(path.absolute()) for path in files),
        evidence=chosen.evidence,
    )
