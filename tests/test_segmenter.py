"""The door from Python, as the README shows it."""

import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import bundle
from bundle import segmenter as module
from bundle.errors import CaseError
from bundle.names.file_names import find_images
from bundle.segmenter import Segmenter, segment_case
from tests.volumes.nifti_samples import scan

README = Path(bundle.__file__).parents[1] / "README.md"
AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0]) + np.outer([1, 1, 1, 0], [0, 0, 0, 7.5])


@pytest.fixture
def drawn_files(phantom_folder):
    folder = min(phantom_folder.iterdir())
    return find_images(folder, folder.name)


def test_the_example_of_the_readme_runs(tiny_settings, drawn_files, tmp_path, monkeypatch):
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (tmp_path / "case").mkdir()
    shutil.copy(drawn_files["t1c"], tmp_path / "case" / "T1post.nii.gz")
    shutil.copy(drawn_files["t2f"], tmp_path / "case" / "FLAIR.nii.gz")
    monkeypatch.chdir(tmp_path)
    # Small weights stand for the shipped ones; everything else is as a reader gets it.
    monkeypatch.setattr(module, "load_config", with_settings(tiny_settings))
    names: dict = {}
    exec(block, names)
    case = names["case"]
    image = nib.load(drawn_files["t1c"])
    assert {kind: values.shape for kind, values in case.maps.items()} == dict.fromkeys(
        ("seg", "entropy", "weight-t1c", "weight-t2f"), image.shape
    )
    assert np.array_equal(case.affine, image.affine)
    assert set(case.result["volumes_ml"]) == {"necrotic core", "oedema", "enhancing tumour"}


def with_settings(settings):
    original = module.load_config

    def load(name, values):
        return original(name, {**settings, **values})

    return load


def test_an_array_gets_the_affine_and_the_name_that_were_given(tiny_settings):
    case = segment_case({"t2w": scan()}, affine=AFFINE, case_id="case7", **tiny_settings)
    assert np.array_equal(case.affine, AFFINE)
    assert case.result["case_id"] == "case7"
    assert case.maps["seg"].shape == scan().shape


def test_messages_call_the_case_by_the_name_that_was_given(tiny_settings):
    with pytest.raises(CaseError, match="case7"):
        segment_case(
            {"t2w": np.zeros((40, 40, 40))}, affine=AFFINE, case_id="case7", **tiny_settings
        )


def test_one_segmenter_gives_each_case_what_it_gives_alone(tiny_settings, drawn_files):
    segmenter = Segmenter(**tiny_settings)
    first = segmenter(drawn_files)
    segmenter({"t2w": scan()}, affine=AFFINE)
    again = segmenter(drawn_files)
    assert first.maps.keys() == again.maps.keys()
    assert all(np.array_equal(first.maps[kind], again.maps[kind]) for kind in first.maps)
    assert first.result == again.result


def test_the_label_map_has_the_numbering_that_was_asked_for(tiny_settings, drawn_files):
    usual = segment_case(drawn_files, **tiny_settings)
    other = segment_case(drawn_files, label_convention="brats2021", **tiny_settings)
    assert np.array_equal(other.maps["seg"] == 4, usual.maps["seg"] == 3)
    assert not (other.maps["seg"] == 3).any()


def test_per_region_maps_are_there_if_asked_for(tiny_settings, drawn_files):
    files = {"t2f": drawn_files["t2f"]}
    settings = {"entropy_per_region": True, "weights_per_region": True}
    case = segment_case(files, **settings, **tiny_settings)
    regions = ("TC", "WT", "ET")
    entropies = ["entropy", *(f"entropy-{region}" for region in regions)]
    assert list(case.maps) == ["seg", *entropies, *(f"weight-t2f-{region}" for region in regions)]


def test_contributions_are_among_the_maps_where_they_are_asked_for(tiny_settings, drawn_files):
    settings = {**tiny_settings, "contributions": "shares"}
    case = Segmenter(**settings)({name: drawn_files[name] for name in ("t1c", "t2f")})
    total = case.maps["contribution-t1c"] + case.maps["contribution-t2f"]
    assert np.allclose(total[total > 0], 1, atol=1e-5)
    assert set(np.unique(case.maps["decided-by"])) <= {0, 2, 4}
