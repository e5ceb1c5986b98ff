"""HTTP with a server that nobody vouches for: it leads nowhere else, and its answers have
an end.
"""

import base64
import contextlib
import http.client
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests
import urllib3
from urllib3.util import parse_url

from bundle.errors import SetupError
from bundle.plain_text import printable
from bundle.serving.exchange_watch import ServerError, Watch, WatchedAdapter

MAX_HOPS = 5
"""Redirects that one request may follow, all within the server's own origin."""

SILENCE_S = 20.0
"""An answer that has begun may pause so long, and needs no more than this beyond its bytes at
``SLOWEST``.
"""

SLOWEST = 10_000.0
"""Bytes per second."""

_CONNECT_S = 30.0
_CHUNK = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FAULTS = (OSError, ValueError, urllib3.exceptions.HTTPError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """A whole answer of a server.

    Attributes:
        content_type: the header as it came, empty if there was none.
    """

    content: bytes
    content_type: str


class ServerConnection:
    """Sends requests to one server and nowhere else.

    Proxies of the environment and ``~/.netrc`` are left alone: the first would get the images, and
    the second would take the place of the token. ``REQUESTS_CA_BUNDLE`` counts, for servers with a
    certificate of their own.

    Args:
        url: ``http://`` or ``https://``, may hold a path, and a user and password instead of a
            token.
        token: sent as bearer token.

    Raises:
        SetupError: E_SERVER, the URL or the token cannot be used.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = _split(url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        self.url = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
        self._headers = {
            "Accept-Encoding": "identity",
            **_authorization(parts, (token or "").strip()),
        }

    def send(
        self, method: str, path: str, *, timeout_s: float, max_bytes: int, **content: Any
    ) -> Answer:
        """Send a request and give its whole answer.

        Args:
            method: of HTTP.
            path: below the server's URL, without a leading slash, already quoted.
            timeout_s: for all of it, from connecting to the last byte.
            max_bytes: that the answer may have.
            content: ``params``, ``data`` and ``files`` as ``requests`` takes them.

        Raises:
            ServerError: no answer, an error, too much, too slowly, or a redirect to another origin.
        """
        with (
            Watch(timeout_s) as watch,
            requests.Session() as session,
            contextlib.ExitStack() as answers,
        ):
            session.trust_env = False
            session.verify = (
                os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            )
            session.headers.update(self._headers)
            adapter = WatchedAdapter(watch)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            try:
                for answer in self._exchange(session, method, path, timeout_s, content):
                    answers.callback(answer.close)
                received = _read(answer, max_bytes, watch)
            except _FAULTS as error:
                watch.check()
                raise ServerError(shown(str(error))) from None
            watch.check()
            return Answer(received, answer.headers.get("Content-Type", ""))

    def _exchange(
        self,
        session: requests.Session,
        method: str,
        path: str,
        timeout_s: float,
        content: dict[str, Any],
    ) -> Iterator[requests.Response]:
        """Send a request, again wherever the server wants it within its own origin.

        Give all answers, bodies unread.
        """
        url = f"{self.url}/{path}"
        for _ in range(MAX_HOPS + 1):
            answer = session.request(
                method,
                url,
                timeout=(_CONNECT_S, timeout_s),
                stream=True,
                allow_redirects=False,
                **content,
            )
            yield answer
            if not answer.is_redirect:
                _check_status(answer)
                return
            url = self._redirected(url, answer, method)
            # a server may close the connection, too late to be noticed before the next request
            session.close()
            content = {
                key: value for key, value in content.items() if key != "params"
            }  # the new URL has its own
        raise ServerError(f"more than {MAX_HOPS} redirects")

    def _redirected(self, url: str, answer: requests.Response, method: str) -> str:
        target = urljoin(url, answer.headers["Location"])
        # A backslash or a name before the host may lead one reader of the URL elsewhere than the
        # other.
        is_clear = not re.search(r"[\s\\]", target) and "@" not in urlsplit(target).netloc
        if not is_clear or _origin(target) != _origin(self.url):
            raise ServerError(f"a redirect to another server, {shown(target)}, which gets nothing")
        if method != "GET" and answer.status_code not in (307, 308):
            raise ServerError(f"a redirect that drops what was sent, status {answer.status_code}")
        return target


def shown(text: str, most: int = 300) -> str:
    """Shorten a server's text and escape what could steer a terminal."""
    return printable(text if len(text) <= most else f"{text[:most]}...")


def _split(url: str) -> SplitResult:
    """Take a URL apart that leaves no doubt about where it leads."""
    try:
        parts = urlsplit(url)
        is_clear = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port or of a bracket
        is_clear = False
    if not is_clear or not url.isprintable() or re.search(r"[\s\\?#]", url):
        raise SetupError(
            "E_SERVER",
            "The server must be a URL such as http://127.0.0.1:8000, without spaces, ? and #; got "
            f"'{shown(re.sub(r'//.*@', '//...@', url))}'. Correct it.",
        )
    return parts


def _authorization(parts: SplitResult, token: str) -> dict[str, str]:
    """Return the header; neither password nor token is ever shown."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise SetupError(
            "E_SERVER", "The token must be one word of ASCII letters, digits and signs. Correct it."
        )
    if parts.username is None:
        return {"Authorization": f"Bearer {token}"} if token else {}
    if token:
        raise SetupError(
            "E_SERVER",
            "A server must get a token or a user and password; got both, in URL and environment."
            " Drop one.",
        )
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    parts = parse_url(url)  # which decides where requests connects
    return parts.scheme, parts.host, parts.port or _DEFAULT_PORTS.get(parts.scheme or "")


def _check_status(answer: requests.Response) -> None:
    if not 200 <= answer.status_code < 300:
        hint = ", which wants a token in SIMMLM_TOKEN" if answer.status_code in (401, 403) else ""
        raise ServerError(f"status {answer.status_code} ({shown(str(answer.reason), 80)}){hint}")


def _read(answer: requests.Response, max_bytes: int, watch: Watch) -> bytes:
    """Read the body as it comes over the wire, to its end."""
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":  # what it expands to has no bound
        raise ServerError(f"an answer in {shown(encoding, 40)}, although none was asked for")
    watch.limit_silence(SILENCE_S)
    started, received = time.monotonic(), bytearray()
    while block := answer.raw.read1(_CHUNK, decode_content=False):
        received += block
        if len(received) > max_bytes:
            raise ServerError(f"an answer of more than {max_bytes} bytes")
        if time.monotonic() - started > SILENCE_S + len(received) / SLOWEST:
            raise ServerError(f"an answer of less than {SLOWEST:g} bytes per second")
    return bytes(received)
