"""Asks a MONAI Label server to segment cases, so that a site can test its server with its own exams."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import requests
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from requests_toolbelt import MultipartDecoder

from bundle.atomic_file import appearing_at_once
from bundle.batch.runner import CaseOutcome, CaseRunner
from bundle.data.cases import case_files
from bundle.data.geometry import corner_shift_voxels
from bundle.data.msd import Channel
from bundle.data.nifti_reading import read_channels, read_volume
from bundle.errors import CaseError, SetupError
from bundle.inference.writing import check_writable

GRID_TOLERANCE_VOXELS = 0.01
"""What is left of an affine that went through ITK's origin, spacing and directions."""

_NO_GZIP = (OSError, EOFError, zlib.error)
_NO_NIFTI = (ImageFileError, WrapStructError, HeaderDataError, ValueError)
_PARAMS = {"result_extension": ".nii.gz", "result_dtype": "uint8"}


class LabelServer:
    """One model of a MONAI Label server.

    Args:
        url: such as ``http://127.0.0.1:8000``.
        model: its name on the server.
        options: of every request, see ``displayable_configs`` in ``configs/inference.yaml``.
        token: for a server with authentication.
        timeout_s: for one answer.

    Raises:
        SetupError: nobody answers there, or has no such model.
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
        self.url = url.rstrip("/")
        self.model = model
        self.options = dict(options or {})
        self.timeout_s = timeout_s
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._check_model()

    def segment(self, files: Mapping[str, Any], case_id: str) -> tuple[bytes, dict[str, Any]]:
        """Segment one case; its images are on the server until it has answered.

        Args:
            files: modality to file, or to `Channel` of one 4D file, as ``cases.case_files`` gives them.
            case_id: name of the case, also on the server.

        Returns:
            The label map as ``.nii.gz``, and the facts that came with it.

        Raises:
            CaseError: E_SERVER, the server could not do it.
        """
        uploads, declared = _uploads(files, case_id)
        with self._uploaded(uploads, case_id) as session_id:
            params = {**_PARAMS, **self.options, **declared, "case_id": case_id}
            answer = self._send(
                "POST",
                f"infer/{self.model}",
                case_id,
                params={"session_id": session_id, "output": "all"},
                data={"params": json.dumps(params)},
            )
        return _parts(answer, case_id)

    @contextmanager
    def _uploaded(self, uploads: Mapping[str, Path], case_id: str) -> Iterator[str]:
        """Give a session that holds the images, and end it."""
        sent = [("files", (name, path.read_bytes())) for name, path in uploads.items()]
        session_id = str(self._send("PUT", "session/", case_id, files=sent).json()["session_id"])
        try:
            yield session_id
        finally:
            self._send("DELETE", f"session/{session_id}", case_id)

    def _check_model(self) -> None:
        try:
            answer = requests.get(f"{self.url}/info/", headers=self.headers, timeout=60)
            answer.raise_for_status()
            models = sorted(answer.json()["models"])
        except (requests.RequestException, KeyError, ValueError) as error:
            raise SetupError(
                "E_SERVER",
                f"A MONAI Label server must answer at {self.url}; got: {error}. Start it, or correct the URL.",
            ) from None
        if self.model not in models:
            raise SetupError(
                "E_SERVER",
                f"The server {self.url} must have the model {self.model}; it has {', '.join(models) or 'none'}. "
                "Choose one with --model.",
            )

    def _send(self, method: str, path: str, case_id: str, **content: Any) -> requests.Response:
        try:
            answer = requests.request(
                method, f"{self.url}/{path}", headers=self.headers, timeout=self.timeout_s, **content
            )
            answer.raise_for_status()
        except requests.RequestException as error:
            raise CaseError(
                "E_SERVER", f"Case {case_id}: the server must answer; got: {error}. Its log says why."
            ) from None
        return answer


def ask_server(
    server: LabelServer,
    cases: Sequence[dict[str, Any]],
    out: Path,
    *,
    report: Callable[[CaseOutcome], None] | None = None,
) -> list[CaseOutcome]:
    """Let a server segment cases, writing ``OUT/CASE/CASE_seg.nii.gz``, ``OUT/CASE/CASE.json`` and ``OUT/cases.csv``.

    Raises:
        OutputError: ``out`` cannot be written; no case was started.
    """

    def ask(case: dict[str, Any]) -> dict[str, Any]:
        case_id = str(case["case_id"])
        files = case_files(case)
        label, facts = server.segment(files, case_id)
        _check_label(label, *next(iter(files.items())), case_id)
        folder = out / case_id
        check_writable(folder)
        with appearing_at_once(folder / f"{case_id}_seg.nii.gz") as file:
            file.write(label)
        with appearing_at_once(folder / f"{case_id}.json") as file:
            file.write(json.dumps({**facts, "server": server.url}, indent=2, ensure_ascii=False).encode() + b"\n")
        return facts

    return CaseRunner(ask, cases, out, report).run()


def _uploads(files: Mapping[str, Any], case_id: str) -> tuple[dict[str, Path], dict[str, str]]:
    """Name what is sent so that the server knows it: file name to file, and options that declare it."""
    channels = {modality: value for modality, value in files.items() if isinstance(value, Channel)}
    if channels:
        file = next(iter(channels.values())).file
        order = sorted(channels, key=lambda modality: channels[modality].position)
        return {f"{case_id}{_ending(file)}": file}, {"modalities": ",".join(order)}
    return {f"{case_id}-{modality}{_ending(Path(path))}": Path(path) for modality, path in files.items()}, {}


def _ending(file: Path) -> str:
    return ".nii.gz" if file.name.lower().endswith(".gz") else ".nii"


def _parts(answer: requests.Response, case_id: str) -> tuple[bytes, dict[str, Any]]:
    """Take image and JSON out of an answer."""
    parts = {}
    if answer.headers.get("Content-Type", "").startswith("multipart/"):
        for part in MultipartDecoder.from_response(answer).parts:
            name = part.headers[b"Content-Disposition"].decode().partition('name="')[2].partition('"')[0]
            parts[name] = part.content
    if not {"params", "image"} <= parts.keys():
        raise CaseError("E_SERVER", f"Case {case_id}: the answer must hold an image; got {sorted(parts)}. See its log.")
    return parts["image"], json.loads(parts["params"])


def _check_label(label: bytes, modality: str, image: Any, case_id: str) -> None:
    """Refuse an answer that is no label map on the grid of the images."""
    try:
        answer = nib.Nifti1Image.from_bytes(gzip.decompress(label))
    except (*_NO_GZIP, *_NO_NIFTI) as error:
        raise CaseError(
            "E_SERVER", f"Case {case_id}: the answer must be a .nii.gz image; got: {error}. See the server's log."
        ) from None
    if isinstance(image, Channel):
        grid = read_channels(image.file, {modality: image.position}, image.n_volumes, case_id=case_id)[modality].grid
    else:
        grid = read_volume(Path(image), case_id=case_id, modality=modality).grid
    shift = corner_shift_voxels(grid.affine, answer.affine, grid.shape)
    if answer.shape != grid.shape or shift > GRID_TOLERANCE_VOXELS:
        raise CaseError(
            "E_GRID",
            f"Case {case_id}: the label map must lie on the images, {grid.shape}, to {GRID_TOLERANCE_VOXELS} voxels; "
            f"got {answer.shape}, {shift:.3f} voxels away. Check the server.",
        )
