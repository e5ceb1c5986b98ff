"""An archive that speaks DICOMweb: WADO-RS to fetch, STOW-RS to store."""

import importlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import requests

from bundle.errors import SetupError
from bundle.files.extras import import_extra
from bundle.pacs.archive import EXTRA, check_uid

_TIMEOUT_S = (30.0, 300.0)  # to connect, and of silence
_FAILED, _ACCEPTED = "FailedSOPSequence", "ReferencedSOPSequence"


class DicomWebArchive:
    """A DICOMweb service.

    Proxies of the environment and ``~/.netrc`` are left alone; ``REQUESTS_CA_BUNDLE`` counts, for
    services with a certificate of their own.

    Args:
        url: of the service, without user and password.
        user: for basic authentication; None for none.
        password: of the user.
        token: sent as bearer token instead.

    Raises:
        SetupError: E_EXTRA, the extra is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
    ) -> None:
        api = import_extra("dicomweb_client.api", EXTRA)
        self.url = url
        session = requests.Session()
        session.trust_env = False
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        elif user is not None:
            session.auth = (user, password or "")
        self._client = api.DICOMwebClient(url, session=session, timeout=_TIMEOUT_S)
        self._client.set_http_retry_params(retry=False)  # half a minute, to say the same

    def fetch(self, study_uid: str) -> Iterator[Any]:
        """Yield the instances of a study."""
        uid = check_uid(study_uid, "A study's UID")
        try:
            yield from self._client.iter_study(uid)
        except (requests.RequestException, OSError, ValueError) as error:
            raise self._problem(f"have study {uid}", error) from error

    def store(self, files: Iterable[Path]) -> None:
        """Store files one by one, so that a refused one is named."""
        pydicom = importlib.import_module("pydicom")
        for file in files:
            try:
                answer = self._client.store_instances([pydicom.dcmread(file)])
            except (requests.RequestException, OSError, ValueError) as error:
                raise self._problem(f"take {file.name}", error) from error
            if getattr(answer, _FAILED, None) or not getattr(answer, _ACCEPTED, None):
                raise self._problem(f"take {file.name}", "it was refused")

    def _problem(self, must: str, found: object) -> SetupError:
        reason = " ".join(str(found).split())[:300]
        return SetupError(
            "E_PACS",
            f"The archive {self.url} must {must}; got: {reason}. Check the address, the UID and the"
            " rights; look at the archive's log.",
        )
