import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, CropForegroundd, NormalizeIntensityd, Orientationd, RandFlip

from bundle.cases.preparation import ResampleTo1mmd, is_not_zero
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import labelled_cases
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task_file import load_task
from bundle.training.samples import case_keys
from bundle.training.samples.case_keys import case_key, describe, settings_digest
from tests.volumes.nifti_samples import save, scan


def write_case(folder, prefix="case7", data=None, **options):
    """Write a case with one modality and a label into a folder."""
    folder.mkdir(parents=True)
    image = save(folder / f"{prefix}-t1c.nii", data=scan() if data is None else data, **options)
    return {
        "case_id": "case7",
        "image": {"t1c": image},
        "label": save(folder / f"{prefix}-seg.nii"),
    }


def one_voxel_changed():
    data = scan()
    data[2, 3, 4] += 1
    return data


def crop(select_fn):
    return CropForegroundd(["image"], "image", select_fn=select_fn, allow_smaller=True)


def brighter_than(threshold):
    return lambda image: image > threshold


def is_above(image, threshold):
    return image > threshold


class Holder:
    """An object of somebody else's with a setting."""

    def __init__(self, value):
        self.value = value

    def is_above(self, image):
        return image > self.value


def test_a_key_can_be_a_file_name(tmp_path):
    assert len(bytes.fromhex(case_key(write_case(tmp_path / "a"), "settings"))) == 32


def test_other_folders_and_file_names_give_the_same_key(tmp_path):
    one, two = write_case(tmp_path / "a"), write_case(tmp_path / "b" / "c", prefix="x")
    assert case_key(one, "s") == case_key(two, "s")


def test_one_voxel_changes_the_key_even_if_size_and_date_stay(tmp_path):
    case = write_case(tmp_path / "a")
    path = case["image"]["t1c"]
    before, status = case_key(case, "s"), path.stat()
    save(path, data=one_voxel_changed())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert case_key(case, "s") != before


@pytest.mark.parametrize("form", ["text", "folder", "folder as text", "list"])
def test_files_are_read_in_whatever_form_they_are_named(tmp_path, form):
    path = write_case(tmp_path / "a")["image"]["t1c"]
    named = {
        "text": str(path),
        "folder": path.parent,
        "folder as text": str(path.parent),
        "list": [[path]],
    }[form]
    before = case_key({"image": named}, "s")
    assert case_key({"image": named}, "s") == before
    save(path, data=one_voxel_changed())
    assert case_key({"image": named}, "s") != before


def test_a_renamed_case_folder_keeps_its_key(tmp_path):
    write_case(tmp_path / "a")
    before = case_key({"image": tmp_path / "a"}, "s")
    assert case_key({"image": (tmp_path / "a").rename(tmp_path / "b")}, "s") == before


def test_names_inside_a_case_folder_count_because_they_say_what_is_which_modality(tmp_path):
    case = write_case(tmp_path / "a")
    before = case_key({"image": tmp_path / "a"}, "s")
    case["image"]["t1c"].rename(tmp_path / "a" / "case7-t1n.nii")
    assert case_key({"image": tmp_path / "a"}, "s") != before


def test_the_second_file_of_a_pair_counts(tmp_path):
    header, voxels = tmp_path / "a.hdr", tmp_path / "a.img"
    header.write_bytes(b"header")
    voxels.write_bytes(b"voxels")
    before = [case_key({"image": path}, "s") for path in (header, voxels)]
    header.write_bytes(b"Header")
    assert case_key({"image": voxels}, "s") not in before
    header.write_bytes(b"header")
    voxels.write_bytes(b"Voxels")
    assert case_key({"image": header}, "s") not in before


def test_the_name_of_a_label_counts_as_far_as_it_declares_the_numbering(tmp_path):
    case = write_case(tmp_path / "a")
    older = case["label"].rename(tmp_path / "a" / "case7_seg.nii")
    moved = case_key({**case, "label": older}, "s")
    newer = older.rename(tmp_path / "a" / "other-seg.nii")
    assert case_key({**case, "label": newer}, "s") != moved


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"case_id": "a"}, {"case_id": "b"}),
        ({"image": {"t1c": scan()}}, {"image": {"t1c": one_voxel_changed()}}),
        ({"image": {"t1c": scan()}}, {"image": {"t2f": scan()}}),
        ({"image": {"t1c": np.zeros((2, 3))}}, {"image": {"t1c": np.zeros((3, 2))}}),
        ({"affine": torch.eye(4)}, {"affine": torch.eye(4).double()}),
        (
            {"image": MetaTensor(torch.ones(2))},
            {"image": MetaTensor(torch.ones(2), affine=torch.eye(4) * 2)},
        ),
    ],
    ids=["case_id", "voxel", "modality", "shape", "type", "affine"],
)
def test_what_is_in_memory_counts(one, two):
    assert case_key(one, "s") == case_key(dict(one), "s") != case_key(two, "s")


def test_a_case_name_is_no_path_even_if_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = case_key({"case_id": "case7"}, "s")
    (tmp_path / "case7").write_text("a file")
    assert case_key({"case_id": "case7"}, "s") == before


def test_a_file_is_read_once_however_often_it_is_asked_for(tmp_path, monkeypatch):
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, name: read.append(file.name) or digest(file, name)
    )
    case = write_case(tmp_path / "a")
    assert len({case_key(case, "s") for _ in range(3)}) == 1
    assert len(read) == 2


def test_a_missing_file_has_no_key(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        case_key({"image": {"t1c": tmp_path / "nowhere.nii"}}, "s")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(OSError, match="pipe"):
        case_key({"image": tmp_path / "pipe.nii"}, "s")


SETTINGS = {
    "text": lambda x: Orientationd("image", "LPS" if x else "RAS", labels=None),
    "flag": lambda x: NormalizeIntensityd("image", nonzero=x),
    "mode of a transform inside": lambda x: ResampleTo1mmd(
        "image", mode="nearest" if x else "bilinear"
    ),
    "key": lambda x: NormalizeIntensityd("label" if x else "image"),
    "number": lambda x: NormalizeIntensityd("image", subtrahend=1.0 if x else 1.5),
    "true or one": lambda x: Holder(True if x else 1),
    "type": lambda x: NormalizeIntensityd("image", dtype=np.float16 if x else np.float32),
    "torch's type": lambda x: Holder(torch.float16 if x else torch.float32),
    "array": lambda x: NormalizeIntensityd("image", subtrahend=np.array([1.0, 2.0 + x])),
    "function": lambda x: crop(torch.isfinite if x else is_not_zero),
    "lambda": lambda x: crop((lambda image: image > 1) if x else (lambda image: image > 2)),
    "what a lambda holds": lambda x: crop(brighter_than(1 + x)),
    "what a partial holds": lambda x: crop(partial(is_above, threshold=1 + x)),
    "object of a method": lambda x: crop(Holder(1 + x).is_above),
    "set": lambda x: Holder({"a", "b", "c" if x else "d"}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_parameter_changes_the_digest_and_an_equal_transform_does_not(name):
    make = SETTINGS[name]
    assert (
        settings_digest([make(False)])
        == settings_digest([make(False)])
        != settings_digest([make(True)])
    )


def test_the_order_of_transforms_counts():
    one, two = NormalizeIntensityd("image"), Orientationd("image", "RAS", labels=None)
    assert settings_digest([one, two]) != settings_digest([two, one])


@pytest.mark.parametrize("name", ["simmlm", "monai", "torch"])
def test_another_version_gives_another_digest(monkeypatch, name):
    before = settings_digest([])
    monkeypatch.setitem(case_keys._VERSIONS, name, "0.0.0")
    assert settings_digest([]) != before


def test_the_transforms_of_the_config_have_the_same_digest_after_they_were_used(phantom_folder):
    def load_transforms():
        parser = load_config("train.yaml", {"dataset_dir": phantom_folder})
        return parser.get_parsed_content("load_transforms")

    transforms = load_transforms()
    before = settings_digest(transforms)
    Compose(transforms)(labelled_cases(phantom_folder)[0])
    assert settings_digest(transforms) == before == settings_digest(load_transforms())


def test_a_task_has_the_same_digest_whatever_it_has_worked_out_before():
    used, fresh = load_task("brain_tumours"), load_task("brain_tumours")
    used.labels_to_regions(used.regions_to_labels(np.ones((used.n_regions, 2, 2, 2), bool)))
    assert used.modality_names
    assert settings_digest([used]) == settings_digest([fresh])
    assert settings_digest([used]) != settings_digest([replace(used, finding="lesion")])


def test_a_setting_that_shows_only_its_address_is_refused():
    with pytest.raises(TypeError, match="A setting must show its value; got <object object at 0x"):
        describe({"key": object()})
    with pytest.raises(TypeError, match="RandomState"):
        settings_digest([RandFlip(prob=0.5).set_random_state(seed=1)])


@pytest.mark.slow
def test_the_digest_is_the_same_in_another_process():
    code = (
        "from bundle.configuration import load_config\n"
        "from bundle.training.samples.case_keys import settings_digest\n"
        "parser = load_config('train.yaml', {})\n"
        "print(settings_digest([parser.get_parsed_content('load_transforms'), {'a', 'b', 'c'}]))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[-1]
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_what_a_declared_object_computes_and_keeps_is_no_setting():
    task = replace(DEFAULT_TASK)
    before = describe(task)
    assert task.modality_names  # kept by the object from now on
    assert describe(task) == before == describe(DEFAULT_TASK)
    assert describe(replace(task, outside=None)) != before
