"""Nothing that a client of MONAI Label sends is run, neither at once nor in the request after, and
nothing changes.
"""

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bundle.serving.bundle_archive import NAME
from tests.server.conftest import Server, running_server
from tests.server.test_label_server import PARAMS, check_equal, form, label_of

pytestmark = pytest.mark.server

CHECKED = ("overlap", "modalities", "label_numbering", "maps", "model_filename", "device")
CHECKED_BY_OTHERS = ("result_extension", "result_dtype", "logging", "image", "label_tag")
WITHOUT_MEANING = (
    *(
        "bundle_root",
        "dataset_dir",
        "checkpoint",
        "maps_dir",
        "roi_size",
        "sw_batch_size",
        "displayable_configs",
    ),
    *(
        "imports",
        "code",
        "network_def",
        "verified",
        "preprocessing",
        "inferer",
        "postprocessing",
        "initialize",
        "run",
    ),
    *(
        "description",
        "patient",
        "case_id",
        "use_click",
        "detector",
        "_meta_",
        "_requires_",
        "client_id",
    ),
)

HOSTILE: dict[str, Callable[[Path, str], Any]] = {
    "import of an upload": lambda _proof, module: f"$import cases.{module}",
    "import in a list": lambda _proof, module: [f"$import cases.{module}"],
    "import below": lambda _proof, module: {"a": [{"b": f"$import cases.{module} as c"}]},
    "alias of str": lambda _proof, _module: "$from shutil import rmtree as str",
    "alias of os": lambda _proof, _module: "$from shutil import rmtree as os",
    "expression": lambda proof, _module: f"$open({str(proof)!r}, 'w').close()",
    "expression in a list": lambda proof, _module: [f"$open({str(proof)!r}, 'w').close()"],
    "component": lambda proof, _module: {
        "_target_": "builtins.open",
        "file": str(proof),
        "mode": "w",
    },
    "component's needs": lambda proof, _module: {
        "_target_": "builtins.list",
        "_requires_": f"$open({str(proof)!r}, 'w').close()",
    },
    "reference": lambda _proof, _module: "@run",
    "macro": lambda _proof, _module: "%run",
}


def contents(folder: Path) -> dict[str, str]:
    """Checksums of all files but those that Python keeps for itself."""
    files = (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def server(label_server_python, store, tmp_path_factory) -> Iterator[Server]:
    """A server of its own: what these tests leave behind must not reach the others."""
    own_store = shutil.copytree(store, tmp_path_factory.mktemp("hostile") / "store")
    with running_server(
        label_server_python, tmp_path_factory.mktemp("hostile_server"), own_store
    ) as running:
        yield running


@pytest.fixture
def uploaded_module(server, tmp_path) -> str:
    """A module that a client puts into the data store; it writes a proof once it is imported."""
    name = f"evil_{uuid.uuid4().hex}"
    code = f"open({str(tmp_path / 'imported')!r}, 'w').close()".encode()
    url = f"{server.url}/datastore/?image={name}"
    answer = requests.put(url, files={"file": ("x.py", code)}, data={"params": "{}"}, timeout=60)
    assert answer.status_code == 200
    return name


def ask(server: Server, **params: Any) -> int:
    return server.infer(query="image=one", data=form(**params)).status_code


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_a_request_is_run_at_once_or_later_and_the_bundle_stays(
    server, segmented, uploaded_module, tmp_path, kind
):
    before = contents(server.bundle)
    proof = tmp_path / "run"
    value = HOSTILE[kind](proof, uploaded_module)
    assert {ask(server, **{field: value}) for field in CHECKED} == {500}
    for field in CHECKED_BY_OTHERS:
        ask(server, **{field: value})
    assert ask(server, **dict.fromkeys(WITHOUT_MEANING, value)) == 200
    answer = server.infer(
        query="image=two", data=form()
    )  # in which all that was left behind would act
    check_equal(answer.content, label_of(segmented, "two"), tmp_path)
    assert ask(server, maps="all") == 200
    assert not proof.exists()
    assert not (tmp_path / "imported").exists()
    assert contents(server.bundle) == before


def test_a_batch_of_the_server_runs_nothing_either(server, segmented, uploaded_module, tmp_path):
    before = contents(server.bundle)
    params = {
        **PARAMS,
        "overlap": f"$import cases.{uploaded_module}",
        "max_workers": 1,
        "max_batch_size": 1,
    }
    url = f"{server.url}/batch/infer/{NAME}?run_sync=true"
    requests.post(url, json={**params, "device": f"$import cases.{uploaded_module}"}, timeout=300)
    check_equal(
        server.infer(query="image=two", data=form()).content, label_of(segmented, "two"), tmp_path
    )
    assert not (tmp_path / "imported").exists()
    assert contents(server.bundle) == before


@pytest.mark.parametrize("tag", ["../../../outside", "/tmp/outside", ".."])
def test_a_label_that_is_to_be_kept_cannot_be_led_out_of_the_data_store(server, tag):
    before = server.log_size()
    assert ask(server, save_label=True, label_tag=tag) == 500
    assert server.says("label_tag must be a plain name", before)


@pytest.fixture
def weights(server):
    """The weights of the server, as they were again afterwards."""
    path = server.bundle / "models" / "model.pt"
    sound = path.read_bytes()
    yield path
    path.write_bytes(sound)


@pytest.mark.parametrize("when", ["100 flipped bits", "cut", "no checksum"])
def test_damaged_weights_are_refused_with_a_sentence_until_they_are_mended(
    server, segmented, weights, tmp_path, when
):
    sound, checksum = weights.read_bytes(), weights.with_name("model.pt.sha256")
    before = server.log_size()
    if when == "no checksum":
        aside = checksum.rename(checksum.with_name("aside"))
    else:
        weights.write_bytes(sound[:-100] if when == "cut" else flipped(sound))
    try:
        assert ask(server) == 500
    finally:
        weights.write_bytes(sound)
        if when == "no checksum":
            aside.rename(checksum)
    assert server.says(
        "SHA-256" if when != "no checksum" else "must stand beside the weights", before
    )
    check_equal(
        server.infer(query="image=two", data=form()).content, label_of(segmented, "two"), tmp_path
    )


def flipped(content: bytes) -> bytes:
    damaged = bytearray(content)
    for position in range(len(content) // 4, len(content) // 4 + 40000, 400):
        damaged[position] ^= 0x40
    return bytes(damaged)


@pytest.mark.parametrize("place", ["../../../../../other/model.pt", "absolute", ".."])
def test_weights_from_elsewhere_are_not_loaded(server, tmp_path, place):
    (tmp_path / "model.pt").write_bytes((server.bundle / "models" / "model.pt").read_bytes())
    before = server.log_size()
    assert (
        ask(server, model_filename=str(tmp_path / "model.pt") if place == "absolute" else place)
        == 500
    )
    assert server.says("model_filename must be model.pt", before)
