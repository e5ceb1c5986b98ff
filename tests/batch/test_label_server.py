"""The client against servers that misbehave; tests/server has the real one."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from bundle.batch.label_server import LabelServer, ask_server
from bundle.cli import app
from bundle.data.file_names import find_images
from bundle.errors import SetupError

BOUNDARY = "b0undary"


class Handler(BaseHTTPRequestHandler):
    """Answers as the test sets ``server.answer``, and notes what it is asked."""

    def reply(self, status=200, content=b"{}", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body, self.headers.get("Authorization")))
        if self.path == "/info/":
            self.reply(content=json.dumps({"models": {"simmlm": {}}}).encode())
        elif self.command == "PUT":
            self.reply(content=b'{"session_id": "s1"}')
        elif self.command == "DELETE":
            self.reply()
        else:
            self.reply(*self.server.answer)

    do_GET = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815 the names are http.server's

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.asked, running.answer = [], (200,)
    running.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def case(phantom_folder):
    folder = sorted(phantom_folder.iterdir())[0]
    return {"case_id": "case7", "image": find_images(folder, folder.name)}


def multipart(facts, label: bytes):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
    parts = [(f'{head}params"\r\n\r\n', json.dumps(facts).encode()), (f'{head}image"; filename="x"\r\n\r\n', label)]
    body = b"".join(start.encode() + content + b"\r\n" for start, content in parts) + f"--{BOUNDARY}--\r\n".encode()
    return 200, body, f"multipart/form-data; boundary={BOUNDARY}"


def label_map(case, shift=0.0, cut=0):
    """Bytes of a label map on the grid of a case, or beside it."""
    image = nib.load(case["image"]["t1c"])
    affine = image.affine.copy()
    affine[0, 3] += shift
    data = np.zeros((*image.shape[:2], image.shape[2] - cut), np.uint8)
    return gzip.compress(nib.Nifti1Image(data, affine).to_bytes())


def ask(server, case, out, **options):
    return ask_server(LabelServer(server.url, **options), [case], out)[0]


FACTS = {"modalities": ["t1c"], "volumes_ml": {"oedema": 1.5}}


@pytest.mark.parametrize(
    "content", [b"\r\n--\r\n", bytes(range(256)) * 3, b"\n", b""], ids=["lines", "all", "one", "no"]
)
def test_the_image_of_an_answer_is_taken_byte_by_byte(server, case, content):
    server.answer = multipart(FACTS, content)
    assert LabelServer(server.url).segment(case["image"], "case7") == (content, FACTS)


def test_files_are_sent_under_names_that_say_their_modality_and_the_session_is_ended(server, case, tmp_path):
    renamed = tmp_path / "anything.nii.gz"
    renamed.write_bytes(case["image"]["t2f"].read_bytes())
    server.answer = multipart(FACTS, b"x")
    client = LabelServer(server.url, options={"maps": "all"}, token="secret")
    client.segment({"t1c": case["image"]["t1c"], "t2f": renamed}, "case7")
    methods = [(method, path.partition("?")[0]) for method, path, _, _ in server.asked]
    assert methods == [("GET", "/info/"), ("PUT", "/session/"), ("POST", "/infer/simmlm"), ("DELETE", "/session/s1")]
    _, put, post, _ = (body for _, _, body, _ in server.asked)
    assert b'filename="case7-t1c.nii.gz"' in put
    assert b'filename="case7-t2f.nii.gz"' in put
    assert b"anything" not in put
    assert b"case7" in post
    assert b"maps" in post
    assert {authorization for _, _, _, authorization in server.asked} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((500, b"Internal Server Error", "text/plain"), "Its log says why"),
        ((200, b"{}", "application/json"), "must hold an image"),
        (multipart(FACTS, b"no image"), "must be a .nii.gz image"),
        (multipart(FACTS, gzip.compress(b"no image")), "must be a .nii.gz image"),
        (multipart(FACTS, gzip.compress(b"no image")[:-9]), "must be a .nii.gz image"),
    ],
    ids=["error", "no image", "not gzip", "not NIfTI", "cut"],
)
def test_an_answer_that_is_no_label_map_fails_the_case_and_ends_the_session(server, case, tmp_path, answer, sentence):
    server.answer = answer
    outcome = ask(server, case, tmp_path)
    assert outcome.status == "failed"
    assert sentence in outcome.reason
    assert server.asked[-1][:2] == ("DELETE", "/session/s1")
    assert not (tmp_path / "case7" / "case7.json").exists()


@pytest.mark.parametrize("difference", [{"shift": 1.0}, {"cut": 1}], ids=str)
def test_a_label_map_that_does_not_lie_on_the_images_is_not_saved(server, case, tmp_path, difference):
    server.answer = multipart(FACTS, label_map(case, **difference))
    outcome = ask(server, case, tmp_path)
    assert "E_GRID" in outcome.reason
    assert not (tmp_path / "case7").exists()


def test_a_good_answer_is_saved_with_its_facts(server, case, tmp_path):
    content = label_map(case)
    server.answer = multipart(FACTS, content)
    assert ask(server, case, tmp_path).status == "ok"
    assert (tmp_path / "case7" / "case7_seg.nii.gz").read_bytes() == content
    assert json.loads((tmp_path / "case7" / "case7.json").read_text()) == {**FACTS, "server": server.url}
    assert "case7,ok,,t1c" in (tmp_path / "cases.csv").read_text()


def test_a_server_without_the_model_is_refused_with_those_that_it_has(server):
    with pytest.raises(SetupError, match="must have the model other; it has simmlm"):
        LabelServer(server.url, "other")


def test_a_server_that_is_not_there_is_refused_before_any_case(server, phantom_folder, tmp_path):
    url = "http://127.0.0.1:9"
    result = CliRunner().invoke(app, ["ask", url, str(phantom_folder), "-o", str(tmp_path / "out")])
    assert result.exit_code == 78
    assert "E_SERVER" in result.output
    assert not (tmp_path / "out").exists()


def test_the_command_reports_and_fails_with_a_failed_case(server, phantom_folder, tmp_path):
    server.answer = (500,)
    result = CliRunner().invoke(app, ["ask", server.url, str(phantom_folder), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "2 cases: 0 ok, 2 failed" in result.output
