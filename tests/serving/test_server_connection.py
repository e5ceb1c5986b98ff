"""The client leads nowhere but to its server, and no answer is endless in size or time."""

import base64
import itertools
import time

import pytest

from bundle.errors import SetupError
from bundle.serving import server_connection
from bundle.serving.exchange_watch import ServerError
from bundle.serving.server_connection import MAX_HOPS, ServerConnection
from tests.serving.raw_servers import head, raw_server

IMAGE = b"the voxels of a patient"
GOOD = head("Content-Length: 2") + b"{}"


def send(url, method="PUT", *, token="secret", timeout_s=20.0, max_bytes=10_000):
    files = [("files", ("x-t1c.nii.gz", IMAGE))] if method == "PUT" else None
    return ServerConnection(url, token).send(
        method, "session/", timeout_s=timeout_s, max_bytes=max_bytes, params={"a": "b"}, files=files
    )


def test_an_answer_is_given_as_it_came():
    with raw_server(head("Content-Length: 5", "Content-Type: text/odd") + b"\0\xff\r\n!") as server:
        answer = send(server.url)
    assert (answer.content, answer.content_type) == (b"\0\xff\r\n!", "text/odd")
    (request,) = server.received
    assert request.startswith(b"PUT /session/?a=b HTTP/1.1")
    assert b"Authorization: Bearer secret" in request
    assert IMAGE in request


@pytest.mark.parametrize("transfer", ["chunked", "until closed"])
def test_answers_of_unknown_length_are_read_to_their_end(transfer):
    content = head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with raw_server(
        content if transfer == "chunked" else head("Connection: close") + b"abcde"
    ) as server:
        assert send(server.url).content == b"abcde"


TARGETS = {
    "other port": "{other}/session/",
    "without scheme": "//127.0.0.1:{port}/session/",
    "other scheme": "https://127.0.0.1:{own}/session/",
    "file": "file:///etc/passwd",
    "backslash": "http://127.0.0.1:{port}\\@127.0.0.1:{own}/session/",
    "backslash after": "http://127.0.0.1:{own}\\@127.0.0.1:{port}/session/",
    "user": "http://127.0.0.1:{own}@127.0.0.1:{port}/session/",
    "own with user": "http://a:b@127.0.0.1:{own}/session/",
    "other name": "http://localhost:{own}/session/",
    "no port": "http://127.0.0.1/session/",
}


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_redirect_to_another_origin_gets_neither_images_nor_token(status, target):
    with raw_server(GOOD) as other, raw_server(b"") as server:
        ports = {"port": other.server_address[1], "own": server.server_address[1]}
        location = TARGETS[target].format(other=other.url, **ports)
        answer = head(f"Location: {location}", "Content-Length: 0", status=status)
        server.reply = lambda connection: connection.sendall(answer)
        for method in ("PUT", "GET"):
            with pytest.raises(ServerError, match="another server"):
                send(server.url, method)
        assert other.received == []
        assert len(server.received) == 2


def test_a_redirect_within_the_origin_is_followed_with_all_that_was_sent():
    answers = itertools.chain(
        [head("Location: /base/session/", "Content-Length: 0", status="307 X")], [GOOD]
    )
    with raw_server(lambda connection: connection.sendall(next(answers))) as server:
        assert send(server.url).content == b"{}"
    _, second = server.received
    assert second.startswith(b"PUT /base/session/ HTTP/1.1")
    assert b"Bearer secret" in second
    assert IMAGE in second


def test_a_redirect_that_would_drop_the_images_is_refused_and_a_circle_ends():
    with raw_server(head("Location: /x", "Content-Length: 0", status="303 X")) as server:
        with pytest.raises(ServerError, match="drops what was sent"):
            send(server.url)
        with pytest.raises(ServerError, match="redirects"):
            send(server.url, "GET")
    assert len(server.received) == 1 + MAX_HOPS + 1


def forever(connection, start, block):
    connection.sendall(start)
    while True:
        connection.sendall(block)


ENDLESS = {
    "body": (head(), b"x" * 4096),
    "declared": (head("Content-Length: 99999999999999"), b"x" * 4096),
    "chunks": (head("Transfer-Encoding: chunked"), b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "length of a chunk": (head("Transfer-Encoding: chunked"), b"0" * 4096),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
    "status": (b"HTTP/1.1 ", b"2" * 4096),
    "error": (head(status="500 X"), b"x" * 4096),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_ends_at_a_limit(kind):
    began = time.monotonic()
    with (
        raw_server(lambda connection: forever(connection, *ENDLESS[kind])) as server,
        pytest.raises(ServerError),
    ):
        send(server.url)
    assert time.monotonic() - began < 10


def drip(connection, start, pause=0.1):
    connection.sendall(start)
    for letter in itertools.cycle(b"x"):
        time.sleep(pause)
        connection.sendall(bytes([letter]))


DRIPPING = {
    "status": b"HTTP/1.1 ",
    "header": b"HTTP/1.1 200 OK\r\nX: ",
    "body": head("Content-Length: 9000"),
    "body until closed": head("Connection: close"),
    "chunks": head("Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("kind", DRIPPING)
@pytest.mark.slow
def test_a_server_that_drips_bytes_is_left_when_the_time_is_over(kind):
    began = time.monotonic()
    with (
        raw_server(lambda connection: drip(connection, DRIPPING[kind])) as server,
        pytest.raises(ServerError, match=r"within 1\.5 s"),
    ):
        send(server.url, timeout_s=1.5)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("what", ["dripping", "silent"])
def test_an_answer_that_has_begun_must_go_on(monkeypatch, what):
    monkeypatch.setattr(server_connection, "SILENCE_S", 0.5)
    start = head("Content-Length: 9000")

    def reply(connection):
        drip(connection, start, 0.1 if what == "dripping" else 8)

    began = time.monotonic()
    with raw_server(reply) as server, pytest.raises(ServerError):
        send(server.url)
    assert time.monotonic() - began < 5


def test_a_server_that_computes_for_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(server_connection, "SILENCE_S", 0.2)

    def reply(connection):
        time.sleep(1)
        connection.sendall(GOOD)

    with raw_server(reply) as server:
        assert send(server.url).content == b"{}"


BROKEN = {
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "cut": head("Content-Length: 99") + b"short",
    "cut chunk": head("Transfer-Encoding: chunked") + b"99\r\nshort",
    "no chunk": head("Transfer-Encoding: chunked") + b"zz\r\n",
    "gzip": head("Content-Encoding: gzip", "Content-Length: 2") + b"\x1f\x8b",
    "odd encoding": head("Content-Encoding: \x1b[2J", "Content-Length: 2") + b"{}",
    "odd reason": head("Content-Length: 0", status="500 \x1b]0;x\x07"),
    "redirect to nowhere": head("Location: http://[", "Content-Length: 0", status="302 X"),
    "odd redirect": head("Location: http://\x1b[31m/", "Content-Length: 0", status="302 X"),
    "unauthorised": head("Content-Length: 0", status="401 X"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_is_a_sentence_fit_for_a_terminal(kind):
    with raw_server(BROKEN[kind]) as server, pytest.raises(ServerError) as caught:
        send(server.url, timeout_s=5)
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


def test_proxies_and_passwords_of_the_environment_have_no_say(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login nurse password hush\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with raw_server(GOOD) as proxy, raw_server(GOOD) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        send(server.url)
        send(server.url, token=None)
    assert proxy.received == []
    first, second = server.received
    assert b"Authorization: Bearer secret" in first
    assert b"Authorization" not in second


def test_a_user_and_password_of_the_url_are_sent_and_never_shown():
    with raw_server(head("Content-Length: 0", status="500 X")) as server:
        url = server.url.replace("//", "//nurse:hu%20sh@")
        connection = ServerConnection(url)
        with pytest.raises(ServerError) as caught:
            connection.send("GET", "info/", timeout_s=5, max_bytes=10)
    assert f"Basic {base64.b64encode(b'nurse:hu sh').decode()}".encode() in server.received[0]
    assert connection.url == server.url
    assert "hu" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "127.0.0.1:8000",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "javascript:alert(1)",
            "http://",
            "http:///x",
        ),
        *(
            "http://[::1",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:x",
            "http://127.0.0.1:0",
            "http://a b",
        ),
        *(
            "http://a\n",
            "http://a\tb",
            "http://a\x00",
            "http://a\x1b[2J",
            "http://a\\@b",
            "http://a?b",
            "http://a#b",
        ),
        *(
            "http://nurse:hush@127.0.0.1:99999",
            "ftp://nurse:hush@a",
            "http://nurse:hu/sh@a b",
            "http://a\u202eb",
        ),
    ],
    ids=ascii,
)
def test_a_url_that_leads_nowhere_or_in_doubt_is_refused_with_a_sentence(url):
    with pytest.raises(SetupError, match="must be a URL such as") as caught:
        ServerConnection(url)
    assert str(caught.value).isprintable()
    assert "hush" not in str(caught.value)
    assert "sh@" not in str(caught.value)


@pytest.mark.parametrize(
    "token", ["two words", "line\r\nX-Header: x", "\x1b", "schlüssel"], ids=ascii
)
def test_a_token_that_is_no_header_is_refused_and_not_shown(token):
    with pytest.raises(SetupError, match="one word") as caught:
        ServerConnection("http://127.0.0.1", token)
    assert token not in str(caught.value)


def test_a_token_beside_a_password_is_refused():
    with pytest.raises(SetupError, match="got both") as caught:
        ServerConnection("http://nurse:hush@127.0.0.1", "secret")
    assert "hush" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://name.invalid", "https://127.0.0.1:9", "http://[::1]:9"]
)
def test_a_server_that_is_not_there_is_a_sentence(url):
    with pytest.raises(ServerError) as caught:
        send(url)
    assert str(caught.value).isprintable()
