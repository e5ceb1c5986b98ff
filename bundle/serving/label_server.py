"""Asks a MONAI Label server to segment cases, so that a site can test its server with its own
cases.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bundle.cohorts.runner import CaseOutcome, CaseRunner
from bundle.datasets.decathlon import Channel
from bundle.datasets.listing import case_files
from bundle.errors import CaseError, SetupError, UsageError
from bundle.files.hashes import sha256_of
from bundle.outputs.earlier_results import set_aside
from bundle.plain_text import printable
from bundle.serving.exchange_watch import ServerError
from bundle.serving.returned_label import (
    case_grid,
    check_answer_free,
    checked_label,
    differing_volumes,
    save_answer,
)
from bundle.serving.server_answers import (
    MAX_JSON_BYTES,
    check_facts,
    check_numbering,
    model_names,
    session_id,
    split_answer,
)
from bundle.serving.server_connection import SLOWEST, Answer, ServerConnection, shown
from bundle.tasks.regions import CONVENTIONS
from bundle.volumes.nifti_rules import MAX_VOXELS

MAX_ANSWER_BYTES = MAX_VOXELS + MAX_JSON_BYTES
"""No label map that is accepted is larger, at one byte per voxel."""

NUMBERING, DEFAULT_NUMBERING = "label_numbering", "brats2023"

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".mgh")
_PARAMS = {"result_extension": ".nii.gz", "result_dtype": "uint8"}
_SHORT_S = 60.0
_SHOWN_MODELS = 10


class LabelServer:
    """One model of a MONAI Label server.

    Args:
        url: such as ``http://127.0.0.1:8000``.
        model: its name on the server.
        options: of every request, see docs/monai_label.md.
        token: for a server with authentication.
        timeout_s: for one segmentation, to the last byte of its answer.

    Raises:
        SetupError: nobody answers there, or has no such model.
        UsageError: an option cannot be sent.
    """

    def __init__(
        self,
        url: str,
        model: str = "simmlm",
        *,
        options: Mapping[str, Any] | None = None,
        token: str | None = None,
        timeout_s: float = 3600,
    ) -> None:
        self.model = model
        self.options = _checked_options(options or {})
        self.numbering = str(self.options.get(NUMBERING, DEFAULT_NUMBERING))
        self.timeout_s = timeout_s
        self._connection = ServerConnection(url, token)
        self.url = self._connection.url
        self._check_model()

    def segment(self, files: Mapping[str, Any], case_id: str) -> tuple[bytes, dict[str, Any]]:
        """Segment one case; its images are on the server until it has answered.

        Args:
            files: modality to file, or to `Channel` of one 4D file, as ``cases.case_files`` gives
                them.
            case_id: name of the case, also on the server.

        Returns:
            What came as the label map, unread, and the facts that came with it.

        Raises:
            CaseError: E_SERVER, the server could not do it, or answered something else.
        """
        uploads, declared = _uploads(files, case_id)
        params = {**_PARAMS, **self.options, **declared, "case_id": case_id}
        left: list[str] = []
        try:
            with self._uploaded(uploads, left) as session:
                image, facts = split_answer(self._infer(session, params))
            check_facts(facts, files.keys())
            check_numbering(facts, self.numbering)
        except ServerError as fault:
            text = (
                f"Case {case_id}: the server must answer with a label map and facts; got {fault}."
                " Its log says why."
            )
            raise CaseError("E_SERVER", " ".join([text, *left])) from None
        return image, {**facts, "warnings": [*facts.get("warnings", []), *left]} if left else facts

    def _infer(self, session: str, params: Mapping[str, Any]) -> Answer:
        return self._connection.send(
            "POST",
            f"infer/{quote(self.model, safe='')}",
            timeout_s=self.timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
            params={"session_id": session, "output": "all"},
            data={"params": json.dumps(params, allow_nan=False)},
        )

    @contextmanager
    def _uploaded(self, uploads: Mapping[str, bytes], left: list[str]) -> Iterator[str]:
        """Return a session that holds the images, and end it; what could not be removed is said in
        ``left``.
        """
        sent = [("files", upload) for upload in uploads.items()]
        timeout_s = _SHORT_S + sum(map(len, uploads.values())) / SLOWEST
        answer = self._connection.send(
            "PUT", "session/", timeout_s=timeout_s, max_bytes=MAX_JSON_BYTES, files=sent
        )
        session = session_id(answer)
        try:
            yield session
        finally:
            try:
                self._connection.send(
                    "DELETE", f"session/{session}", timeout_s=_SHORT_S, max_bytes=MAX_JSON_BYTES
                )
            except ServerError as fault:
                left.append(
                    f"The images may still be on the server, in session {session}; removing them"
                    f" gave {fault}."
                )

    def _check_model(self) -> None:
        try:
            models = model_names(
                self._connection.send("GET", "info/", timeout_s=_SHORT_S, max_bytes=MAX_JSON_BYTES)
            )
        except ServerError as fault:
            raise SetupError(
                "E_SERVER",
                f"A MONAI Label server must answer at {self.url}; got: {fault}. Start it, or"
                " correct the URL.",
            ) from None
        if self.model not in models:
            known = ", ".join(shown(name, 60) for name in models[:_SHOWN_MODELS]) or "none"
            raise SetupError(
                "E_SERVER",
                f"The server {self.url} must have the model {printable(self.model)}; it has"
                f" {known}. Choose one with --model.",
            )


def ask_server(
    server: LabelServer,
    cases: Sequence[dict[str, Any]],
    out: Path,
    *,
    report: Callable[[CaseOutcome], None] | None = None,
) -> list[CaseOutcome]:
    """Let a server segment cases, writing ``OUT/CASE/CASE_seg.nii.gz``, ``OUT/CASE/CASE.json`` and
    ``OUT/cases.csv``.

    Label maps are read as strictly as any other and written anew, with the header of the case.

    Raises:
        OutputError: ``out`` cannot be written; no case was started.
    """

    def ask(case: dict[str, Any]) -> dict[str, Any]:
        case_id = str(case["case_id"])
        files = case_files(case)
        inputs = {modality: _input(value, case_id) for modality, value in files.items()}
        check_answer_free(out / case_id, case_id, inputs)
        content, facts = server.segment(files, case_id)
        grid = case_grid(*next(iter(files.items())), case_id)
        label = checked_label(content, server.numbering, grid, case_id)
        warnings = [
            *facts.get("warnings", []),
            *label.warnings,
            *differing_volumes(label, facts["volumes_ml"]),
        ]
        warnings += _unused(files, facts["modalities"])
        facts = {
            **facts,
            "warnings": [printable(text) for text in warnings],
            "server": server.url,
            "inputs": inputs,
        }
        written = save_answer(out / case_id, case_id, label, grid, facts)
        return {key: written[key] for key in ("modalities", "volumes_ml", "warnings")}

    set_older_aside = partial(set_aside, output_dir=out)
    return CaseRunner(ask, cases, out, report, on_failure=set_older_aside).run()


def _input(value: Any, case_id: str) -> dict[str, Any]:
    """Describe an image as a case's record does."""
    file = value.file if isinstance(value, Channel) else Path(value)
    channel = (
        {"channel": value.position, "n_channels": value.n_volumes}
        if isinstance(value, Channel)
        else {}
    )
    return {
        "file": str(file),
        "sha256": sha256_of(_content(file, case_id)),
        **channel,
    }


def _unused(sent: Iterable[str], used: Sequence[str]) -> list[str]:
    names = [modality for modality in sent if modality not in used]
    return (
        [f"the server got {', '.join(names)} too, but does not say that it used them"]
        if names
        else []
    )


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse options that cannot be sent, or that would make the answer another one than is
    expected.
    """
    for option in ("case_id", "image", "result_extension"):
        if option in options:
            raise UsageError(
                "E_OPTION", f"The option {option} must be left to this command. Leave it out."
            )
    if options.get(NUMBERING, DEFAULT_NUMBERING) not in tuple(CONVENTIONS):
        raise UsageError(
            "E_OPTION",
            f"{NUMBERING} must be one of {', '.join(CONVENTIONS)}; got {options[NUMBERING]!r}."
            " Choose one of them.",
        )
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "E_OPTION", f"Options must be plain finite data; got: {error}. Correct --set."
        ) from None
    return dict(options)


def _uploads(files: Mapping[str, Any], case_id: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return what is sent: name that the server knows it by to content, and options that declare
    it.
    """
    channels = {modality: value for modality, value in files.items() if isinstance(value, Channel)}
    if channels:
        file = next(iter(channels.values())).file
        order = sorted(channels, key=lambda modality: channels[modality].position)
        return {f"{case_id}{_ending(file)}": _content(file, case_id)}, {
            "modalities": ",".join(order)
        }
    paths = {modality: Path(value) for modality, value in files.items()}
    return {
        f"{case_id}-{name}{_ending(path)}": _content(path, case_id) for name, path in paths.items()
    }, {}


def _content(file: Path, case_id: str) -> bytes:
    if not file.is_file():
        raise CaseError(
            "E_MISSING",
            f"Case {case_id}: {printable(str(file))} must be a file; got none. Check the path.",
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise CaseError(
            "E_UNREADABLE",
            f"Case {case_id}: {printable(str(file))} must be readable; got {error.strerror}. Check"
            " its permissions.",
        ) from None


def _ending(file: Path) -> str:
    name = file.name.lower()
    known = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    return known or (".nii.gz" if name.endswith(".gz") else ".nii")
