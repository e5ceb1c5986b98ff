"""Ends an exchange over HTTP in time, whatever the other side does."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter


class ServerError(Exception):
    """A server did not answer as it must; the text says what came instead, fit for a terminal."""


class Watch:
    """Cuts the connections of an exchange when its time is over.

    The timeout of a single read cannot do that.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Watch":
        self._timer.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def add(self, connected: socket.socket) -> None:
        """Watch a connection too."""
        self._sockets.append(connected)
        if self.is_over:
            self._cut()

    def limit_silence(self, seconds: float) -> None:
        """Let no single read last longer."""
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                connected.settimeout(seconds)

    def check(self) -> None:
        """Say so if the time is over.

        Raises:
            ServerError: it is.
        """
        if self.is_over:
            raise ServerError(f"no whole answer within {self.seconds:g} s")

    def _cut(self) -> None:
        self.is_over = True
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(
                    connected, socket.SHUT_RDWR
                )  # also below TLS, whose own shutdown would wait


class WatchedAdapter(HTTPAdapter):
    """Shows every connection to a watch as soon as it is there."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """Return a pool as ``requests`` does."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        pool.ConnectionCls = self._watched(type(pool).ConnectionCls)
        return pool

    def _watched(self, kind: Any) -> Any:
        watch = self._watch

        class Connection(kind):  # by this name messages call it
            def connect(self) -> None:
                super().connect()
                watch.add(self.sock)

        return Connection
