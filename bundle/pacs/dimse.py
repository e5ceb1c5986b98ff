"""An archive that speaks DIMSE: C-GET to fetch, C-STORE to store.

C-GET sends a study over the connection that asks for it: no port has to be open here, as C-MOVE
needs.
"""

import importlib
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bundle.errors import SetupError
from bundle.files.extras import import_extra
from bundle.pacs.archive import EXTRA, OWN_TITLE, Address, check_uid

_SUCCESS, _WARNINGS, _PENDING = 0x0000, {0xB000, 0xB006, 0xB007}, {0xFF00, 0xFF01}
_TIMEOUT_S = 60.0
_END = object()
_FETCHED = (
    "MRImageStorage",
    "EnhancedMRImageStorage",
    "EnhancedMRColorImageStorage",
    "LegacyConvertedEnhancedMRImageStorage",
    "CTImageStorage",
    "SecondaryCaptureImageStorage",
    "SegmentationStorage",
    "ParametricMapStorage",
    "EnhancedSRStorage",
    "ComprehensiveSRStorage",
    "Comprehensive3DSRStorage",
    "RawDataStorage",
    "GrayscaleSoftcopyPresentationStateStorage",
    "EncapsulatedPDFStorage",
)
"""Kinds of instances that a study with an MR exam holds; C-GET must name them beforehand."""


class DimseArchive:
    """An application entity.

    Args:
        address: with title, host and port.
        own_title: that this program calls itself by; archives know whom they answer by it.

    Raises:
        SetupError: E_EXTRA, the extra is not installed.
    """

    def __init__(self, address: Address, *, own_title: str = OWN_TITLE) -> None:
        self._net = import_extra("pynetdicom", EXTRA)
        self._classes = importlib.import_module("pynetdicom.sop_class")
        self.address, self.own_title = address, own_title

    def fetch(self, study_uid: str) -> Iterator[Any]:
        """Yield the instances of a study as they come; few are in memory at a time."""
        uid = check_uid(study_uid, "A study's UID")
        arrived: queue.Queue[Any] = queue.Queue(maxsize=16)
        given_up = threading.Event()
        thread = threading.Thread(target=self._receive, args=(uid, arrived, given_up), daemon=True)
        thread.start()
        try:
            while (item := arrived.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            given_up.set()
            thread.join(_TIMEOUT_S)

    def _receive(self, uid: str, arrived: queue.Queue[Any], given_up: threading.Event) -> None:
        def keep(event: Any) -> int:
            instance = event.dataset
            instance.file_meta = event.file_meta
            while not given_up.is_set():
                try:
                    arrived.put(instance, timeout=1)
                except queue.Full:
                    continue
                return _SUCCESS
            return 0xA700  # refused: out of resources

        try:
            self._get(uid, keep)
        except Exception as error:  # it is raised where the study is read
            arrived.put(error)
        arrived.put(_END)

    def _get(self, uid: str, keep: Any) -> None:
        kinds = [getattr(self._classes, name) for name in _FETCHED if hasattr(self._classes, name)]
        roles = [self._net.build_role(kind, scp_role=True) for kind in kinds]
        entity = self._entity([self._classes.StudyRootQueryRetrieveInformationModelGet, *kinds])
        handlers = [(self._net.evt.EVT_C_STORE, keep)]
        link = self._connected(entity, ext_neg=roles, evt_handlers=handlers)
        query = importlib.import_module("pydicom.dataset").Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", uid
        try:
            model = self._classes.StudyRootQueryRetrieveInformationModelGet
            final = [status for status, _ in link.send_c_get(query, model)][-1:]
        finally:
            link.release()
        n_done = int(final[0].get("NumberOfCompletedSuboperations", 0)) if final else 0
        if not final or final[0].get("Status") != _SUCCESS or not n_done:
            raise self._problem(f"give study {uid}", _in_words(final[0] if final else None, n_done))

    def store(self, files: Iterable[Path]) -> None:
        """Store files over one connection, one after the other."""
        pydicom = importlib.import_module("pydicom")
        files = list(files)
        headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
        kinds = {(h.SOPClassUID, h.file_meta.TransferSyntaxUID) for h in headers}
        link = self._connected(self._entity(sorted(kinds)))
        try:
            for file in files:
                status = link.send_c_store(pydicom.dcmread(file)).get("Status")
                if status != _SUCCESS and status not in _WARNINGS:
                    raise self._problem(f"take {file.name}", _code(status))
        except ValueError as error:  # it agreed to no such kind of instance
            raise self._problem("take the kinds of these files", error) from error
        finally:
            link.release()

    def _entity(self, kinds: Iterable[Any]) -> Any:
        entity = self._net.AE(ae_title=self.own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
        for kind in kinds:
            entity.add_requested_context(*(kind if isinstance(kind, tuple) else (kind,)))
        return entity

    def _connected(self, entity: Any, **options: Any) -> Any:
        where = self.address
        link = entity.associate(where.host, where.port, ae_title=where.title, **options)
        if not link.is_established:
            found = "it refused" if link.is_rejected else "no answer"
            raise self._problem(f"answer {self.own_title}", found)
        return link

    def _problem(self, must: str, found: object) -> SetupError:
        return SetupError(
            "E_PACS",
            f"The archive {self.address} must {must}; got: {found}. Check title, host, port and"
            f" UID; the archive must know {self.own_title} (--own-title).",
        )


def _in_words(final: Any, n_done: int) -> str:
    if final is None:
        return "the connection broke"
    if final.get("Status") == _SUCCESS and not n_done:
        return "no such study"
    return f"{_code(final.get('Status'))} after {n_done} instances"


def _code(status: int | None) -> str:
    return "no answer" if status is None else f"status 0x{status:04X}"
