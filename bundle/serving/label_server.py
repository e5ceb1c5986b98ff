"""Asks a MONAI Label server to segment cases, so that a site can test its server with its own
cases.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.runner import CaseRunner
from bundle.datasets.case_files import case_files
from bundle.errors import CaseError, SetupError, UsageError
from bundle.outputs.earlier_results import set_aside
from bundle.outputs.facts_file import label_facts
from bundle.plain_text import printable
from bundle.serving.case_uploads import case_uploads, input_facts
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
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task
from bundle.volumes.nifti_rules import MAX_VOXELS

MAX_ANSWER_BYTES = MAX_VOXELS + MAX_JSON_BYTES
"""No label map that is accepted is larger, at one byte per voxel."""

NUMBERING = "label_numbering"

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
        task: of the model.

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
        task: Task = DEFAULT_TASK,
    ) -> None:
        self.model = model
        self.task = task
        self.options = _checked_options(options or {})
        self.numbering = self._chosen_numbering()
        self.timeout_s = timeout_s
        self._connection = ServerConnection(url, token)
        self.url = self._connection.url
        self._check_model()

    def segment(self, files: Mapping[str, Any], case_id: str) -> tuple[bytes, dict[str, Any]]:
        """Segment one case; its images are on the server until it has answered.

        Args:
            files: modality to file, or to `Channel` of one 4D file, as ``case_files`` gives them.
            case_id: name of the case, also on the server.

        Returns:
            What came as the label map, unread, and the facts that came with it.

        Raises:
            CaseError: E_SERVER, the server could not do it, or answered something else.
        """
        uploads, declared = case_uploads(files, case_id)
        params = {**_PARAMS, **self.options, **declared, "case_id": case_id}
        left: list[str] = []
        try:
            with self._uploaded(uploads, left) as session:
                image, facts = split_answer(self._infer(session, params))
            check_facts(facts, files.keys(), [label.name for label in self.task.labels])
            check_numbering(facts, self.numbering.name)
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
        """Return a session that holds the images, and end it.

        What could not be removed is said in ``left``.
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

    def _chosen_numbering(self) -> Numbering:
        name = self.options.get(NUMBERING, self.task.default_numbering.name)
        if name not in tuple(self.task.numberings):
            raise UsageError(
                "E_OPTION",
                f"{NUMBERING} must be one of {', '.join(self.task.numberings)}; got {name!r}."
                " Choose one of them.",
            )
        return self.task.numberings[name]

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
    return CaseRunner(
        partial(_Asked, server, out),
        cases,
        out,
        report=report,
        on_failure=partial(set_aside, output_dir=out),
        task=server.task,
    ).run()


@dataclass(frozen=True)
class _Asked:
    """Lets a server segment one case and saves its answer."""

    server: LabelServer
    out: Path

    def __call__(self, case: dict[str, Any]) -> dict[str, Any]:
        case_id, task = str(case["case_id"]), self.server.task
        files = case_files(case, task=task)
        inputs = {modality: input_facts(value, case_id) for modality, value in files.items()}
        check_answer_free(self.out / case_id, case_id, inputs)
        content, facts = self.server.segment(files, case_id)
        grid = case_grid(*next(iter(files.items())), case_id, task)
        label = checked_label(content, self.server.numbering, grid, case_id, task)
        warnings = [
            *facts.get("warnings", []),
            *label.warnings,
            *differing_volumes(label, facts["volumes_ml"], task),
            *_unused(files, facts["modalities"]),
        ]
        facts = {
            **facts,
            "labels": label_facts(task, self.server.numbering),
            "warnings": [printable(text) for text in warnings],
            "server": self.server.url,
            "inputs": inputs,
        }
        on_disk = self.server.numbering.write(label.values)
        written = save_answer(self.out / case_id, case_id, on_disk, grid, facts)
        return {key: written[key] for key in ("modalities", "volumes_ml", "warnings")}


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
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            "E_OPTION", f"Options must be plain finite data; got: {error}. Correct --set."
        ) from None
    return dict(options)
