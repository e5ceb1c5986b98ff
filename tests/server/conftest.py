"""A MONAI Label server with the packed bundle, and what `simmlm segment` gives on the cases in its
data store.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.names.file_names import find_images
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.serving.bundle_archive import NAME, pack
from bundle.tasks.default import DEFAULT_TASK

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "SIMMLM_LABEL_SERVER"
AS_THE_SERVER = {"device_name": "cpu", "runtime": "torch"}
"""Settings of what answers are compared with: OpenVINO is not installed where the server runs."""

SETS = {
    "whole": DEFAULT_TASK.modality_names,
    "three": ("t1n", "t2w", "t2f"),
    "two": ("t1c", "t2f"),
    "one": ("t2w",),
}
START_LIMIT_S = 180


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: on the loopback interface.
        maps: the folder in which it keeps maps.
        log: what it printed.
        bundle: the packed bundle that it serves.
    """

    url: str
    maps: Path
    log: Path
    bundle: Path

    def infer(self, output: str = "image", query: str = "", **content: Any) -> requests.Response:
        """Ask for a segmentation as the clients of MONAI Label do."""
        return requests.post(
            f"{self.url}/infer/{NAME}?output={output}&{query}", timeout=300, **content
        )

    def log_size(self) -> int:
        return len(self.log.read_text())

    def says(self, sentence: str, size_before: int) -> bool:
        """Whether a sentence stands in the log since then; an error is logged after it was
        answered.
        """
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if sentence in self.log.read_text()[size_before:]:
                return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="session")
def label_server_python() -> Path:
    """The interpreter of an environment made by docs/monai_label/install.sh."""
    folder = Path(os.environ.get(VARIABLE, ROOT / ".labelserver")).absolute()
    python = folder / "bin" / "python"
    if not python.exists():
        assert VARIABLE not in os.environ, f"{VARIABLE} names no environment: {folder}"
        pytest.skip(
            "MONAI Label is not here; bash docs/monai_label/install.sh .labelserver installs it"
        )
    return python


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """A flat data store: four cases of different modalities, one of several windows, and one whose
    file is damaged.
    """
    work = tmp_path_factory.mktemp("cases")
    (drawn,) = write_phantoms(work / "drawn", n_cases=1, seed=6, shape=(64, 80, 56))
    folder = work / "store"
    folder.mkdir()
    for name, modalities in SETS.items():
        for modality in modalities:
            shutil.copy(
                find_images(drawn, drawn.name)[modality], folder / f"{name}-{modality}.nii.gz"
            )
    image = nib.load(find_images(drawn, drawn.name)["t2w"])
    nib.save(
        nib.Nifti1Image(np.tile(np.asarray(image.dataobj), (1, 3, 1)), image.affine),
        folder / "long-t2w.nii.gz",
    )
    damaged = bytearray((folder / "whole-t1c.nii.gz").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (folder / "damaged-t1c.nii.gz").write_bytes(damaged)
    return folder


@pytest.fixture(scope="session")
def whole_4d(store, tmp_path_factory) -> Path:
    """The whole case as one 4D file, its volumes in the order of the Decathlon."""
    images = [
        nib.load(store / f"whole-{modality}.nii.gz") for modality in ("t2f", "t1n", "t1c", "t2w")
    ]
    path = tmp_path_factory.mktemp("4d") / "case.nii.gz"
    image = nib.Nifti1Image(
        np.stack([np.asarray(i.dataobj) for i in images], axis=-1), images[0].affine
    )
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


@pytest.fixture(scope="session")
def segmented(store, tmp_path_factory) -> Path:
    """What `simmlm segment` writes for the cases of the store."""
    out = tmp_path_factory.mktemp("segmented")
    cases = [
        {"case_id": name, "image": {m: store / f"{name}-{m}.nii.gz" for m in modalities}}
        for name, modalities in SETS.items()
    ]
    outcomes = segment_cases(cases, out, settings=AS_THE_SERVER)
    assert [outcome.status for outcome in outcomes] == ["ok"] * len(SETS)
    return out


@pytest.fixture(scope="session")
def server(label_server_python, store, tmp_path_factory) -> Iterator[Server]:
    """A server that only segments."""
    with running_server(label_server_python, tmp_path_factory.mktemp("server"), store) as running:
        yield running


@contextmanager
def running_server(
    python: Path,
    work: Path,
    store: Path,
    *,
    trains: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Server]:
    """Start a server with the commands of docs/monai_label.md on a free port, and stop it.

    Settings are written into the packed bundle's `configs/inference.json`.
    """
    download = [
        "-m",
        "monailabel.main",
        "apps",
        "--download",
        "--name",
        "monaibundle",
        "--output",
        str(work / "apps"),
    ]
    subprocess.run([python, *download], check=True, cwd=work, capture_output=True)
    (work / "apps" / "monaibundle" / "model").mkdir()
    model = work / "apps" / "monaibundle" / "model" / NAME
    pack(model, as_folder=True)
    config = model / "configs" / "inference.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | dict(settings or {})))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = work / "apps" / "monaibundle"
    running = Server(
        f"http://127.0.0.1:{port}", work / "maps", work / "server.log", app / "model" / NAME
    )
    (work / "cases").symlink_to(
        store
    )  # in the server's working folder, where Python looks for modules
    start = ["start_server", "--app", str(app), "--studies", str(store)]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    options = {
        "models": NAME,
        "zoo_source": "ngc",
        "sam2": "false",
        "skip_trainers": str(not trains).lower(),
    }
    conf = [part for name, value in options.items() for part in ("--conf", name, value)]
    with running.log.open("w") as log:
        process = subprocess.Popen(
            [python, "-m", "monailabel.main", *start, *address, *conf],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=work,
            env={**os.environ, **environment(work)},
        )
        try:
            wait_for(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(30)


def environment(work: Path) -> dict[str, str]:
    return {
        "MONAI_LABEL_DATASTORE_FILE_EXT": json.dumps(
            [f"*-{m}.nii.gz" for m in ("t1n", "t2w", "t2f", "t1c")]
        ),
        "MONAI_LABEL_SESSION_PATH": str(work / "sessions"),
        "SIMMLM_MAPS_DIR": str(work / "maps"),
    }


def wait_for(server: Server, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, server.log.read_text()[-4000:]
        try:
            requests.get(f"{server.url}/info/", timeout=60).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"the server did not answer: {server.log.read_text()[-4000:]}")
