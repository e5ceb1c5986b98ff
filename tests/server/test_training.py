"""MONAI Label trains on the labels of its data store, and the next inference uses the weights."""

import hashlib
import json
import shutil
import time

import nibabel as nib
import numpy as np
import pytest
import requests

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.names.file_names import find_images, find_label
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.serving.bundle_archive import NAME
from tests.server.conftest import AS_THE_SERVER, running_server

pytestmark = pytest.mark.server

TRAIN_LIMIT_S = 400


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three labelled cases, one without T1."""
    folder = tmp_path_factory.mktemp("cases")
    drawn = write_phantoms(folder, n_cases=3, seed=21, shape=(48, 56, 40))
    find_images(drawn[0], "x")["t1n"].unlink()
    return drawn


@pytest.fixture(scope="module")
def trained(label_server_python, drawn, tmp_path_factory):
    """A server after one epoch on the labels that were stored on it."""
    work, store = tmp_path_factory.mktemp("training"), tmp_path_factory.mktemp("store")
    for case in drawn:
        for path in find_images(case, case.name).values():
            shutil.copy(path, store)
    with running_server(label_server_python, work, store, trains=True) as server:
        for case in drawn:
            label = {"label": ("label.nii.gz", find_label(case, case.name).read_bytes())}
            url = f"{server.url}/datastore/label?image={case.name}&tag=final"
            requests.put(url, files=label, timeout=60).raise_for_status()
        options = requests.get(f"{server.url}/info/", timeout=60).json()["trainers"][NAME]["config"]
        params = {
            **options,
            "max_epochs": 1,
            "val_split": 0.34,
            "device": "cpu",
            "window": 64,
            "multi_gpu": False,
        }
        requests.post(f"{server.url}/train/{NAME}", json=params, timeout=60).raise_for_status()
        deadline = time.monotonic() + TRAIN_LIMIT_S
        while requests.get(f"{server.url}/train/", timeout=60).json()["status"] not in (
            "DONE",
            "ERROR",
        ):
            assert time.monotonic() < deadline, server.log.read_text()[-4000:]
            time.sleep(1)
        yield server, work / "apps" / "monaibundle" / "model" / NAME


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_training_ends_with_new_weights_that_fit_their_checksum_and_keeps_the_old_ones(trained):
    server, bundle = trained
    (run,) = (bundle / "runs").iterdir()
    assert sha256(bundle / "models" / "model.pt") == sha256(run / "model.pt"), (
        server.log.read_text()[-4000:]
    )
    assert (bundle / "models" / "model.pt.sha256").read_text().split() == [
        sha256(run / "model.pt"),
        "model.pt",
    ]
    assert (
        sha256(run / "before-model.pt") == (run / "before-model.pt.sha256").read_text().split()[0]
    )
    assert sha256(run / "before-model.pt") != sha256(run / "model.pt")


def test_the_training_had_the_epochs_that_were_asked_for_and_validated(trained):
    _, bundle = trained
    (run,) = (bundle / "runs").iterdir()
    header, *rows = (run / "mixture.csv").read_text().splitlines()
    assert len(rows) == 1
    assert "dice" in header


def test_the_next_inference_uses_the_new_weights(trained, drawn, tmp_path):
    server, bundle = trained
    case = drawn[1]
    params = {
        "device": "cpu",
        "result_extension": ".nii.gz",
        "result_dtype": "uint8",
        "maps": "entropy",
    }
    answer = server.infer(query=f"image={case.name}", data={"params": json.dumps(params)})
    assert answer.status_code == 200, server.log.read_text()[-4000:]
    cases = [{"case_id": case.name, "image": find_images(case, case.name)}]
    for name, folder in (("new", bundle / "models"), ("old", next((bundle / "runs").iterdir()))):
        checkpoint = folder / ("model.pt" if name == "new" else "before-model.pt")
        settings = {**AS_THE_SERVER, "checkpoint": checkpoint}
        segment_cases(cases, tmp_path / name, settings=settings)
    found, new, old = (
        np.asarray(nib.load(folder / case.name / f"{case.name}_entropy.nii.gz").dataobj)
        for folder in (server.maps, tmp_path / "new", tmp_path / "old")
    )
    assert np.array_equal(found, new)
    assert not np.array_equal(found, old)
