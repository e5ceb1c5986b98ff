"""What a case needs and what the machine has."""

import re
import shlex
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from bundle.cases import case_loader, memory_needs
from bundle.cases.case_loader import LoadCased
from bundle.cases.memory_needs import check_memory, needed_bytes
from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.volumes.available_memory import available_bytes
from bundle.volumes.geometry import grid_from_affine
from tests.volumes.nifti_samples import nifti_bytes, save, save_as, scan

GB = 10**9
LARGE = (645, 645, 640)


def grid(shape, spacing):
    return grid_from_affine(shape, np.diag([*np.broadcast_to(spacing, 3).astype(float), 1]))


def header_only(path, shape=LARGE):
    """A file that claims a large grid; its voxels are missing."""
    return save(path, nifti_bytes(dim=[3, *shape, 1, 1, 1, 1])[:352] + bytes(5000))


# ---- What the system says ------------------------------------------------------


def system(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    8000000 kB\n"


def test_the_machine_says_what_is_available(tmp_path):
    assert available_bytes(system(tmp_path, proc__meminfo=MEMINFO)) == 8_000_000 * 1024


@pytest.mark.parametrize("path", ["/", "/user/job"])
def test_a_container_or_a_job_may_have_less_than_the_machine(tmp_path, path):
    group = "sys__fs__cgroup__user__job__" if path != "/" else "sys__fs__cgroup__"
    limits = {
        f"{group}memory_dot_max": "3000000000\n",
        f"{group}memory_dot_current": "2500000000\n",
        f"{group}memory_dot_stat": "anon 1\ninactive_file 500000000\n",
    }
    root = system(tmp_path, proc__meminfo=MEMINFO, proc__self__cgroup=f"0::{path}\n", **limits)
    assert available_bytes(root) == GB


def test_the_group_around_counts_where_the_own_is_not_limited_or_not_visible(tmp_path):
    limits = {
        "sys__fs__cgroup__memory__memory_dot_limit_in_bytes": "2000000000",
        "sys__fs__cgroup__memory__memory_dot_usage_in_bytes": "500000000",
        "sys__fs__cgroup__user__memory_dot_max": "max",
        "sys__fs__cgroup__user__memory_dot_current": "1",
    }
    groups = "4:cpu,memory:/docker/0123\n0::/user\n"
    assert (
        available_bytes(
            system(tmp_path, proc__meminfo=MEMINFO, proc__self__cgroup=groups, **limits)
        )
        == 1.5 * GB
    )


def test_nothing_is_known_where_nothing_is_said(tmp_path):
    assert available_bytes(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_limit_of_the_shell_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 * 10**9, 6 * 10**9)); "
        "from bundle.volumes.available_memory import available_bytes; print(available_bytes())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert 0 < int(printed) < 6 * GB


# ---- What a case needs --------------------------------------------------------

MEASURED_GB = [
    ((240, 240, 155), 1.0, 0.90),
    ((120, 120, 80), 2.0, 1.10),
    ((64, 72, 56), 1.0, 0.48),
    ((480, 480, 310), 0.5, 5.91),
    ((512, 512, 192), (0.45, 0.45, 1.0), 4.51),
]


@pytest.mark.parametrize(("shape", "spacing", "peak_gb"), MEASURED_GB, ids=str)
def test_the_estimate_is_what_whole_runs_took(shape, spacing, peak_gb):
    program_gb = 0.39
    assert needed_bytes(grid(shape, spacing)) / GB + program_gb == pytest.approx(peak_gb, rel=0.05)


def test_a_brats_case_is_never_refused_where_1_gb_is_free():
    assert needed_bytes(grid((240, 240, 155), 1.0)) < GB


def test_more_voxels_need_more():
    sizes = [
        grid((120, 120, 80), 1.0),
        grid((240, 240, 155), 1.0),
        grid((480, 480, 310), 0.5),
        grid(LARGE, 1.0),
    ]
    assert sorted(map(needed_bytes, sizes)) == [needed_bytes(size) for size in sizes]


@pytest.mark.parametrize("kind", ["file", "text", "channel"])
def test_a_case_that_needs_more_than_there_is_is_refused_before_its_voxels_are_read(
    tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: 3 * GB)
    path = header_only(tmp_path / "a.nii.gz")
    value = {"file": path, "text": str(path), "channel": Channel(path, 0, 1)}[kind]
    with pytest.raises(CaseError) as caught:
        LoadCased()(
            {"image": {"t1n": save(tmp_path / "b.nii.gz"), "t1c": value}, "case_id": "case7"}
        )
    assert caught.value.code == "E_MEMORY"
    for part in ("case7", "645 x 645 x 640", "1 x 1 x 3 mm", "got 3.0 GB", "a machine with more"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mgz", "a.nii.gz"])
def test_the_size_is_known_in_every_format(tmp_path, monkeypatch, name):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: 1000)
    path = save(tmp_path / name) if name.endswith(".nii.gz") else save_as(tmp_path / name)
    with pytest.raises(CaseError, match="9 x 8 x 7"):
        check_memory({"t1c": path}, "case7")


def test_a_case_that_fits_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: 4 * GB)
    assert LoadCased()({"image": {"t1c": save(tmp_path / "a.nii.gz")}, "case_id": "x"})[
        "image"
    ].any()


def test_where_nothing_is_known_about_memory_no_case_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: None)
    check_memory({"t1c": header_only(tmp_path / "a.nii.gz")}, "x")


def test_a_file_that_cannot_be_read_is_refused_for_that_and_not_for_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: 1000)
    with pytest.raises(CaseError) as caught:
        LoadCased()({"image": {"t1c": save(tmp_path / "a.nii.gz", b"<html>")}, "case_id": "x"})
    assert caught.value.code == "E_NOT_NIFTI"


def test_the_advice_to_resample_works(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_needs, "available_bytes", lambda: 1000)
    path = save(tmp_path / "in.nii.gz", affine=np.diag([0.5, 0.5, 0.5, 1]))
    with pytest.raises(CaseError) as caught:
        check_memory({"t1c": path}, "x")
    command = re.search(r'python -c "[^"]+"', str(caught.value))[0]
    subprocess.run([sys.executable, "-c", shlex.split(command)[2]], cwd=tmp_path, check=True)
    assert nib.load(tmp_path / "out.nii.gz").header.get_zooms() == pytest.approx((1, 1, 1))


def test_memory_that_runs_out_while_a_case_is_loaded_is_a_sentence(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(case_loader, "_case", fail)
    with pytest.raises(CaseError, match="must fit into memory") as caught:
        LoadCased()({"image": {"t1c": save(tmp_path / "a.nii.gz", data=scan())}, "case_id": "x"})
    assert caught.value.code == "E_MEMORY"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
@pytest.mark.slow
def test_a_limit_that_is_too_low_is_a_sentence_not_a_crash(tmp_path):
    header = nifti_bytes(dim=[3, 300, 300, 300, 1, 1, 1, 1], affine=np.diag([1.0, 1, 1, 1]))[:352]
    path = save(tmp_path / "a.nii", header + scan((300, 300, 300)).tobytes(order="F"))
    code = (
        "import resource, sys\nfrom bundle.cases.case_loader import LoadCased\nfrom bundle.errors import"
        " CaseError\nsize = int(open('/proc/self/statm').read().split()[0]) *"
        " resource.getpagesize() + 300 * 10**6\nresource.setrlimit(resource.RLIMIT_AS, (size,"
        " size))\ntry:\n    LoadCased()({'image': {'t1c': sys.argv[1]}, 'case_id': 'x'})\nexcept"
        " CaseError as error:\n    print(error.code, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("E_MEMORY x: to segment 300 x 300 x 300 voxels")
