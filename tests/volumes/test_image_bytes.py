import os
import socket
from pathlib import Path

import pytest

from bundle.errors import CaseError
from bundle.volumes.image_bytes import MAX_FILE_BYTES, read_file
from bundle.volumes.image_volume import read_volume
from tests.volumes.nifti_samples import save

ANNEXED = ".git/annex/objects/Xk/9P/MD5E-s1234--00ab.nii.gz/MD5E-s1234--00ab.nii.gz"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def refusal(path):
    with pytest.raises(CaseError) as caught:
        read_volume(path, case_id="case7", modality="t1c")
    return caught.value


def test_a_link_whose_content_git_annex_did_not_fetch_says_how_to_fetch_it(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.symlink_to(ANNEXED)
    error = refusal(path)
    assert error.code == "E_NOT_HERE"
    assert "git annex get" in str(error)
    assert str(path) in str(error)


def test_a_link_whose_content_git_annex_fetched_is_read(tmp_path):
    target = tmp_path / ANNEXED
    target.parent.mkdir(parents=True)
    save(target)
    (tmp_path / "a.nii.gz").symlink_to(ANNEXED)
    assert read_volume(tmp_path / "a.nii.gz", case_id="case7", modality="t1c").data.any()


@pytest.mark.parametrize(
    ("content", "command"),
    [(LFS, "git lfs pull"), (b"/annex/objects/MD5E-s1234--00ab.nii.gz\n", "git annex get")],
    ids=["git-LFS", "unlocked git-annex"],
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_pointer_instead_of_the_content_says_how_to_fetch_it(tmp_path, content, command, name):
    error = refusal(save(tmp_path / name, content))
    assert error.code == "E_NOT_HERE"
    assert command in str(error)


def test_any_other_dead_link_is_a_missing_file(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to("nowhere")
    assert refusal(tmp_path / "a.nii.gz").code == "E_MISSING"


def test_a_socket_a_device_and_a_folder_are_no_files(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s.nii"))
        (tmp_path / "zero.nii.gz").symlink_to("/dev/zero")
        for path in (tmp_path / "s.nii", tmp_path / "zero.nii.gz", tmp_path):
            with pytest.raises(CaseError) as caught:
                read_file(path)
            assert caught.value.code == "E_NOT_A_FILE"


def test_a_file_that_takes_no_room_on_disk_but_claims_too_much_is_not_read(tmp_path):
    path = tmp_path / "a.nii"
    path.touch()
    os.truncate(path, MAX_FILE_BYTES + 1)
    assert refusal(path).code == "E_TOO_LARGE"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
def test_a_file_that_says_it_is_empty_and_is_not_is_refused():
    with pytest.raises(CaseError) as caught:
        read_file(Path("/proc/self/environ"))
    assert caught.value.code == "E_UNREADABLE"
