"""The client against servers that misbehave; tests/server has the real one."""

import gzip
import hashlib
import json
import threading
import time
import tracemalloc
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.errors import CaseError, SetupError, UsageError
from bundle.names.file_names import find_images
from bundle.serving.label_server import LabelServer, ask_server
from tests.other_task import LESIONS
from tests.serving.raw_servers import head, raw_server

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
            self.reply(content=self.server.info)
        elif self.command == "PUT":
            self.reply(content=self.server.session)
        elif self.command == "DELETE":
            self.reply(self.server.removed)
        else:
            self.reply(*self.server.answer)

    do_GET = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815 the names are http.server's

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.asked, running.answer, running.removed = [], (200,), 200
    running.info, running.session = b'{"models": {"simmlm": {}}}', b'{"session_id": "s1"}'
    running.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
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
    params = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
    parts = [(f'{head}params"\r\n\r\n', params), (f'{head}image"; filename="x"\r\n\r\n', label)]
    body = (
        b"".join(start.encode() + content + b"\r\n" for start, content in parts)
        + f"--{BOUNDARY}--\r\n".encode()
    )
    return 200, body, f"multipart/form-data; boundary={BOUNDARY}"


def label_map(case, shift=0.0, cut=0, value=0, dtype=np.uint8, axis_sign=1, n_more=0):
    """Bytes of a label map on the grid of a case, or beside it; one slice has a value, all others
    are 0.
    """
    image = nib.load(case["image"]["t1c"])
    affine = image.affine.copy()
    affine[0, 3] += shift
    affine[:, 1] *= axis_sign
    data = np.zeros((*image.shape[:2], image.shape[2] - cut), dtype)
    data[3] = value
    data = np.stack([data] * (1 + n_more), axis=-1) if n_more else data
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


def test_files_are_sent_under_names_that_say_their_modality_and_the_session_is_ended(
    server, case, tmp_path
):
    renamed = tmp_path / "anything.nii.gz"
    renamed.write_bytes(case["image"]["t2f"].read_bytes())
    server.answer = multipart(FACTS, b"x")
    client = LabelServer(server.url, options={"maps": "all"}, token="secret")
    client.segment({"t1c": case["image"]["t1c"], "t2f": renamed}, "case7")
    methods = [(method, path.partition("?")[0]) for method, path, _, _ in server.asked]
    assert methods == [
        ("GET", "/info/"),
        ("PUT", "/session/"),
        ("POST", "/infer/simmlm"),
        ("DELETE", "/session/s1"),
    ]
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
def test_an_answer_that_is_no_label_map_fails_the_case_and_ends_the_session(
    server, case, tmp_path, answer, sentence
):
    server.answer = answer
    outcome = ask(server, case, tmp_path)
    assert outcome.status == "failed"
    assert sentence in outcome.reason
    assert server.asked[-1][:2] == ("DELETE", "/session/s1")
    assert not (tmp_path / "case7" / "case7.json").exists()


@pytest.mark.parametrize("difference", [{"shift": 1.0}, {"cut": 1}], ids=str)
def test_a_label_map_that_does_not_lie_on_the_images_is_not_saved(
    server, case, tmp_path, difference
):
    server.answer = multipart(FACTS, label_map(case, **difference))
    outcome = ask(server, case, tmp_path)
    assert "E_GRID" in outcome.reason
    assert not (tmp_path / "case7").exists()


def test_a_good_answer_is_saved_on_the_grid_of_the_case_with_its_facts(server, case, tmp_path):
    facts = {
        "modalities": list(case["image"]),
        "volumes_ml": {"oedema": 0.0},
        "warnings": ["of the server"],
        "more": 1,
    }
    server.answer = multipart(facts, label_map(case, value=3))
    outcome = ask(server, case, tmp_path)
    assert outcome.status == "ok"
    saved, image = nib.load(tmp_path / "case7" / "case7_seg.nii.gz"), nib.load(case["image"]["t1n"])
    assert saved.get_data_dtype() == np.uint8
    assert np.unique(saved.dataobj).tolist() == [0, 3]
    for field in ("sform_code", "qform_code", "srow_x", "qoffset_x", "pixdim", "xyzt_units"):
        assert np.array_equal(saved.header[field], image.header[field])
    written = json.loads((tmp_path / "case7" / "case7.json").read_text())
    assert written.pop("labels")["convention"] == "brats2023"
    inputs = written.pop("inputs")
    assert inputs["t1n"]["sha256"] == hashlib.sha256(case["image"]["t1n"].read_bytes()).hexdigest()
    assert written == {**facts, "server": server.url, "maps": ["case7_seg.nii.gz"]}
    assert outcome.result == {key: facts[key] for key in ("modalities", "volumes_ml", "warnings")}
    assert "case7,ok,,t1n t1c t2w t2f" in (tmp_path / "cases.csv").read_text()


@pytest.mark.parametrize(("numbering", "value"), [("brats2021", 4), ("msd", 3), ("brats2023", 3)])
def test_the_saved_map_has_the_numbering_that_was_asked_for(
    server, case, tmp_path, numbering, value
):
    facts = {**FACTS, "labels": {"convention": numbering, "values": {}}}
    server.answer = multipart(facts, label_map(case, value=value, dtype=np.float32))
    assert ask(server, case, tmp_path, options={"label_numbering": numbering}).status == "ok"
    assert np.asarray(nib.load(tmp_path / "case7" / "case7_seg.nii.gz").dataobj).max() == value
    labels = json.loads((tmp_path / "case7" / "case7.json").read_text())["labels"]
    assert labels["convention"] == numbering
    assert labels["values"][str(value)] == "enhancing tumour"


@pytest.mark.parametrize("named", [{"convention": "msd"}, "msd", ["brats2023"], 7, {}], ids=str)
def test_a_map_in_another_numbering_than_asked_for_is_refused(server, case, tmp_path, named):
    server.answer = multipart({**FACTS, "labels": named}, label_map(case))
    check_refused(server, case, tmp_path, "brats2023 was asked for")


def check_refused(server, case, out, sentence):
    """The case fails with a sentence fit for a terminal, nothing is saved, and the session is
    ended.
    """
    outcome = ask(server, case, out)
    assert outcome.status == "failed"
    assert sentence in outcome.reason
    assert "E_UNEXPECTED" not in outcome.reason
    assert outcome.reason.isprintable()
    assert not (out / "case7").exists()
    assert server.asked[-1][:2] == ("DELETE", "/session/s1")


def damaged(case, kind):
    """A label map that other readers take, or fail on in ways of their own."""
    raw = bytearray(gzip.decompress(label_map(case, value=1)))
    header = nib.Nifti1Header(bytes(raw[:348]))
    if kind == "cut voxels":
        return gzip.compress(raw[:5000])
    if kind == "NaN affine":
        header["srow_x"] = header["qoffset_x"] = np.nan
    if kind == "claims more":
        header["dim"][1:4] = 600
    if kind == "NaN slope":
        header["scl_slope"], header["scl_inter"] = 1, np.nan
    if kind == "slope":
        header["scl_slope"], header["scl_inter"] = 2.5, 0
    raw[:348] = header.binaryblock
    if kind == "more after it":
        raw += bytes(2**24)
    content = bytearray(gzip.compress(bytes(raw)))
    if kind == "checksum":
        content[-6] ^= 1
    return bytes(raw) if kind == "not compressed" else bytes(content)


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "cut voxels",
            "NaN affine",
            "claims more",
            "NaN slope",
            "slope",
            "more after it",
            "checksum",
        ),
        "not compressed",
    ],
)
def test_a_damaged_label_map_is_refused_by_the_reader_of_the_project(server, case, tmp_path, kind):
    server.answer = multipart(FACTS, damaged(case, kind))
    check_refused(server, case, tmp_path, "must be a .nii.gz image")


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"value": 77},
            {"value": 4},
            {"value": np.nan, "dtype": np.float32},
            {"value": 0.5, "dtype": np.float32},
        ),
        *({"value": -1, "dtype": np.int16}, {"value": np.inf, "dtype": np.float64}, {"n_more": 1}),
        {"dtype": np.complex64},
    ],
    ids=str,
)
def test_a_map_of_what_are_no_labels_is_refused(server, case, tmp_path, wrong):
    server.answer = multipart(FACTS, label_map(case, **wrong))
    check_refused(
        server, case, tmp_path, "must be a .nii.gz image of labels in brats2023 numbering"
    )


def test_a_gzip_bomb_is_refused_before_it_expands(server, case, tmp_path):
    bomb = gzip.compress(gzip.decompress(label_map(case)) + bytes(2**27), compresslevel=1)
    server.answer = multipart(FACTS, bomb)
    tracemalloc.start()
    check_refused(server, case, tmp_path, "more bytes than the case has room for")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


BAD_FACTS = {
    "empty": {},
    "list": [1],
    "text": "x",
    "null": None,
    "no modalities": {"volumes_ml": {}},
    "no volumes": {"modalities": ["t1c"]},
    "modalities a number": {**FACTS, "modalities": 5},
    "modalities a text": {**FACTS, "modalities": "t1c"},
    "modalities numbers": {**FACTS, "modalities": [1, 2]},
    "modalities nested": {**FACTS, "modalities": [["t1c"]]},
    "no modality": {**FACTS, "modalities": []},
    "unknown modality": {**FACTS, "modalities": ["\x1b[31mt1c\x1b]0;x\x07"]},
    "volumes a list": {**FACTS, "volumes_ml": [1]},
    "unknown volume": {**FACTS, "volumes_ml": {"liver": 3}},
    "volume a text": {**FACTS, "volumes_ml": {"oedema": "=cmd|'/c calc'!A1"}},
    "volume negative": {**FACTS, "volumes_ml": {"oedema": -1}},
    "volume true": {**FACTS, "volumes_ml": {"oedema": True}},
    "volume null": {**FACTS, "volumes_ml": {"oedema": None}},
    "volume of many digits": {**FACTS, "volumes_ml": {"oedema": 10**400}},
    "warnings a text": {**FACTS, "warnings": "x"},
    "warnings numbers": {**FACTS, "warnings": [1]},
    "endless warnings": {**FACTS, "warnings": ["x"] * 10_000},
    "no JSON": b"{",
    "no text": b"\xff\xfe\xfa",
    "NaN": b'{"modalities": ["t1c"], "volumes_ml": {"oedema": NaN}}',
    "infinite": b'{"modalities": ["t1c"], "volumes_ml": {"oedema": 1e999}}',
    "NaN elsewhere": b'{"modalities": ["t1c"], "volumes_ml": {}, "x": [-Infinity]}',
    "digits": b'{"modalities": ["t1c"], "volumes_ml": {}, "x": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 200_000,
    "deep but closed": b'{"modalities": ["t1c"], "volumes_ml": {}, "x": '
    + b"[" * 300
    + b"]" * 300
    + b"}",
    "long": b'{"modalities": ["t1c"], "volumes_ml": {}, "x": "' + b"x" * 2**24 + b'"}',
}


@pytest.mark.parametrize("kind", BAD_FACTS)
def test_broken_facts_fail_the_case_with_a_sentence(server, case, tmp_path, kind):
    server.answer = multipart(BAD_FACTS[kind], label_map(case))
    check_refused(
        server,
        case,
        tmp_path,
        "E_SERVER: Case case7: the server must answer with a label map and facts",
    )


def test_facts_that_are_not_used_may_be_anything_and_are_kept_readable(server, case, tmp_path):
    facts = {
        **FACTS,
        "dice": {"WT": "x"},
        "half a letter": "\ud800",
        "warnings": ["\x1b[2J"],
        "n": [{"a": [None]}],
    }
    server.answer = multipart(facts, label_map(case))
    outcome = ask(server, case, tmp_path)
    assert outcome.status == "ok"
    assert outcome.result["warnings"][0] == "\\x1b[2J"
    written = json.loads((tmp_path / "case7" / "case7.json").read_text())
    assert {key: written[key] for key in ("dice", "half a letter", "n")} == {
        key: facts[key] for key in ("dice", "half a letter", "n")
    }


def test_facts_that_do_not_fit_what_was_sent_or_came_are_warnings(server, case, tmp_path):
    server.answer = multipart({**FACTS, "volumes_ml": {"oedema": 1.5}}, label_map(case, value=1))
    used, volumes = ask(server, case, tmp_path).result["warnings"][::-1]
    assert "does not say that it used them" in used
    assert "0.00 ml of oedema, but the server says 1.50 ml" in volumes


def part(name, content, *headers):
    lines = [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
KIND = f"multipart/form-data; boundary={BOUNDARY}"
BROKEN_MULTIPART = {
    "no parts": (b"zzz", KIND),
    "no boundary": (b"zzz", "multipart/form-data"),
    "empty boundary": (b"zzz\r\n--" * 100_000, "multipart/form-data; boundary="),
    "short boundary": (b"\r\n--q" * 500_000, "multipart/form-data; boundary=q"),
    "two boundaries": (b"\r\n--q" * 500_000, f"{KIND}; boundary=q"),
    "odd boundary": (b"zzz", "multipart/form-data; boundary*=utf-16''%ff%fe"),
    "without header": (f"--{BOUNDARY}\r\n\r\nabc\r\n".encode() + END, KIND),
    "other header": (f"--{BOUNDARY}\r\nContent-Type: x\r\n\r\nabc\r\n".encode() + END, KIND),
    "header of no text": (
        f"--{BOUNDARY}\r\nContent-Disposition: ".encode() + b"\xff\xfe\r\n\r\nabc\r\n" + END,
        KIND,
    ),
    "image twice": (part("params", b"{}") + part("image", b"a") + part("image", b"b") + END, KIND),
    "only an image": (part("image", b"a") + END, KIND),
    "JSON": (b"{}", "application/json"),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("kind", BROKEN_MULTIPART)
def test_a_broken_multipart_answer_fails_the_case_with_a_sentence(server, case, tmp_path, kind):
    content, content_type = BROKEN_MULTIPART[kind]
    server.answer = (200, content, content_type)
    check_refused(
        server,
        case,
        tmp_path,
        "E_SERVER: Case case7: the server must answer with a label map and facts",
    )


INFO = {
    "list": b'["models"]',
    "null": b"null",
    "models null": b'{"models": null}',
    "models a list": b'{"models": [1, "a"]}',
    "models a text": b'{"models": "simmlm"}',
    "number": b"7",
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "no JSON": b"hello",
    "nothing": b"",
    "NaN": b'{"models": {"simmlm": NaN}}',
    "long": b" " * (2**24 + 1),
}


@pytest.mark.parametrize("kind", INFO)
def test_an_info_of_another_shape_is_refused_before_any_case(server, kind):
    server.info = INFO[kind]
    with pytest.raises(SetupError, match="A MONAI Label server must answer at") as caught:
        LabelServer(server.url)
    assert caught.value.code == "E_SERVER"


def test_names_of_models_cannot_steer_the_terminal_or_fill_it(server):
    server.info = json.dumps(
        {"models": {f"{n} \x1b[2J\x1b]0;pwn\x07{'x' * 1000}": {} for n in range(1000)}}
    ).encode()
    with pytest.raises(SetupError) as caught:
        LabelServer(server.url)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "answer",
    [
        *(
            b"{}",
            b"hello",
            b'{"session_id": null}',
            b'{"session_id": 7}',
            b'{"session_id": ""}',
            b'["session_id"]',
        ),
        *(
            b'{"session_id": "../../datastore?id=x#"}',
            b'{"session_id": ".."}',
            b'{"session_id": "a/b"}',
        ),
        *(b'{"session_id": "\\u001b[2J"}', b'{"session_id": "' + b"a" * 5000 + b'"}'),
    ],
    ids=lambda answer: answer[:40].decode(),
)
def test_a_session_that_is_no_plain_name_is_not_used(server, case, tmp_path, answer):
    server.session = answer
    outcome = ask(server, case, tmp_path)
    assert "E_SERVER" in outcome.reason
    assert outcome.reason.isprintable()
    assert server.asked[-1][0] == "PUT"


def test_images_that_could_not_be_removed_are_a_warning(server, case, tmp_path):
    server.answer, server.removed = multipart(FACTS, label_map(case)), 500
    outcome = ask(server, case, tmp_path)
    assert outcome.status == "ok"
    assert any(
        "may still be on the server, in session s1" in text for text in outcome.result["warnings"]
    )


def test_images_that_could_not_be_removed_are_named_beside_the_reason_of_a_failure(
    server, case, tmp_path
):
    server.answer, server.removed = (500,), 500
    reason = ask(server, case, tmp_path).reason
    assert "Its log says why" in reason
    assert "may still be on the server, in session s1" in reason


def test_a_case_that_a_hostile_server_spoils_does_not_keep_the_next_from_being_asked(
    server, case, tmp_path
):
    server.answer = multipart(FACTS, b"no image")
    outcomes = ask_server(LabelServer(server.url), [case, {**case, "case_id": "case8"}], tmp_path)
    assert [outcome.status for outcome in outcomes] == ["failed", "failed"]
    assert (tmp_path / "cases.csv").read_text().count("E_SERVER") == 2


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"label_numbering": "brats1999"},
            {"label_numbering": ["msd"]},
            {"case_id": "x"},
            {"overlap": float("nan")},
        ),
        *({"result_extension": ".nrrd"}, {"image": "/etc/passwd"}, {"day": date(2026, 1, 1)}),
    ],
    ids=str,
)
def test_options_that_cannot_be_sent_or_would_change_the_answer_are_refused_before_any_case(
    server, options
):
    with pytest.raises(UsageError, match=r"option|Options|label_numbering"):
        LabelServer(server.url, options=options)
    assert server.asked == []


def test_the_command_waits_for_a_case_no_longer_than_it_was_told(phantom_folder, tmp_path):
    answers = {
        b"GET": b'{"models": {"simmlm": {}}}',
        b"PUT": b'{"session_id": "s1"}',
        b"DELETE": b"{}",
    }

    def reply(connection):
        method = server.received[-1].partition(b" ")[0]
        if method in answers:
            connection.sendall(head(f"Content-Length: {len(answers[method])}") + answers[method])
            return
        while True:  # a header that never ends
            connection.sendall(b"x" if method is None else b"HTTP/1.1 200 OK\r\nX: ")
            method = None
            time.sleep(0.1)

    began = time.monotonic()
    with raw_server(reply) as server:
        result = CliRunner().invoke(
            app, ["ask", server.url, str(phantom_folder), "-o", str(tmp_path), "--timeout", "1"]
        )
    assert result.exit_code == 1
    assert (tmp_path / "cases.csv").read_text().count("no whole answer within 1 s") == 2
    assert time.monotonic() - began < 20


def test_an_image_that_is_not_there_fails_its_case_alone(server, case, tmp_path):
    gone = {"case_id": "gone", "image": {"t1c": tmp_path / "gone-t1c.nii.gz"}}
    server.answer = multipart({**FACTS, "modalities": ["t1c"]}, label_map(case))
    outcomes = ask_server(LabelServer(server.url), [gone, case], tmp_path / "out")
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert "E_MISSING" in outcomes[0].reason


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
    result = CliRunner().invoke(
        app, ["ask", server.url, str(phantom_folder), "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "2 cases: 0 ok, 2 failed" in result.output


def test_the_same_images_may_be_asked_for_again_and_other_images_do_not_replace_the_answer(
    server, case, tmp_path
):
    server.answer = multipart(FACTS, label_map(case, value=1))
    assert ask(server, case, tmp_path).status == "ok"
    server.answer = multipart(FACTS, label_map(case, value=3))
    assert ask(server, case, tmp_path).status == "ok"
    image = tmp_path / "case7" / "case7_seg.nii.gz"
    before = image.read_bytes()
    other = {"case_id": "case7", "image": {"t1c": case["image"]["t2f"]}}
    asked = len(server.asked)
    assert "E_EXISTS" in ask(server, other, tmp_path).reason
    assert [method for method, *_ in server.asked[asked:]] == ["GET"]  # nothing was sent
    assert image.read_bytes() == before


def test_a_label_map_of_somebody_else_is_never_replaced(server, case, tmp_path):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / "case7_seg.nii.gz").write_bytes(b"an expert's")
    server.answer = multipart(FACTS, label_map(case, value=1))
    assert "E_EXISTS" in ask(server, case, tmp_path).reason
    assert (tmp_path / "case7" / "case7_seg.nii.gz").read_bytes() == b"an expert's"


def test_results_of_segment_are_not_mixed_with_an_answer(server, case, tmp_path):
    (tmp_path / "case7").mkdir()
    inputs = {
        "t1c": {
            "file": "x",
            "sha256": hashlib.sha256(case["image"]["t1c"].read_bytes()).hexdigest(),
        }
    }
    facts = {
        "versions": {"simmlm": "0.5.0"},
        "inputs": inputs,
        "maps": ["case7_seg.nii.gz", "case7_entropy.nii.gz"],
    }
    (tmp_path / "case7" / "case7.json").write_text(json.dumps(facts))
    server.answer = multipart(FACTS, label_map(case, value=1))
    assert "simmlm segment" in ask(server, case, tmp_path).reason


def test_an_older_answer_is_outdated_when_the_case_fails(server, case, tmp_path):
    server.answer = multipart(FACTS, label_map(case, value=1))
    assert ask(server, case, tmp_path).status == "ok"
    server.answer = (500, b"no", "text/plain")
    assert ask(server, case, tmp_path).status == "failed"
    assert not (tmp_path / "case7" / "case7.json").exists()
    assert (tmp_path / "case7" / "outdated" / "case7_seg.nii.gz").exists()


def test_answers_of_a_model_of_another_task_are_read_with_its_names_and_values(server, case):
    files = {"t2f": case["image"]["t1c"]}
    facts = {"modalities": ["t2f"], "volumes_ml": {"white matter lesion": 1.5}}
    server.answer = multipart(facts, label_map(case, value=1))
    client = LabelServer(server.url, task=LESIONS)
    assert client.numbering.name == "plain"
    assert client.segment(files, "case7")[1] == facts
    server.answer = multipart({**FACTS, "modalities": ["t2f"]}, label_map(case, value=1))
    with pytest.raises(CaseError, match="must be ml of white matter lesion"):
        client.segment(files, "case7")
