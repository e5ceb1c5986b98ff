"""Servers on the loopback interface that send whatever bytes a test wants, as slowly as it
wants.
"""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

Reply = Callable[[Any], None]


class RawServer(socketserver.ThreadingTCPServer):
    """Reads one request per connection and lets ``reply`` write to the socket.

    Attributes:
        received: the requests as they came.
        url: on the loopback interface.
    """

    daemon_threads = True

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.received: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: RawServer

    def handle(self) -> None:
        head = bytearray()
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
        lengths = [
            line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        body = self.rfile.read(int(lengths[0].split(b":")[1])) if lengths else b""
        self.server.received.append(bytes(head) + b"\r\n" + body)
        with contextlib.suppress(OSError):  # the client may have had enough
            self.server.reply(self.connection)


@contextlib.contextmanager
def raw_server(reply: Reply | bytes) -> Iterator[RawServer]:
    """Run a server that always sends the same, or what a function sends."""
    with RawServer(
        reply if callable(reply) else lambda connection: connection.sendall(reply)
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def head(*lines: str, status: str = "200 OK") -> bytes:
    """Return status line and headers."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()
