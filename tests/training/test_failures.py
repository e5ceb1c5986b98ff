import errno
from pathlib import Path

import pytest
import torch

from bundle.errors import CaseError, UserError
from bundle.training.failures import named_failures

OUT = Path("run")


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        with named_failures(OUT):
            raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate"
            " memory: you"
        ),
        RuntimeError("could not create a primitive"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed. "),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_is_named_with_the_settings_that_need_less(error):
    named = raised(RuntimeError("applying transform"), error)
    assert isinstance(named, UserError)
    assert named.code == "E_MEMORY"
    assert all(word in str(named) for word in ("batch_size", "roi_size", "cache_rate=0"))


def test_shared_memory_that_runs_out_is_told_from_the_disk():
    text = "unable to write to file </torch_12_3_4>: No space left on device (28)"
    named = raised(RuntimeError(text))
    assert isinstance(named, UserError)
    assert (named.code, "num_workers=0" in str(named)) == ("E_MEMORY", True)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("(sqlite3.OperationalError) database or disk is full"),
    ],
    ids=["full", "quota", "sqlite"],
)
def test_a_full_disk_is_named_whoever_meets_it(error):
    named = raised(error)
    assert isinstance(named, UserError)
    assert (named.code, named.exit_code) == ("E_WRITE", 74)


def test_what_has_a_name_already_keeps_it():
    case = CaseError("E_TOO_LARGE", "Case a: must fit into memory")
    case.__cause__ = MemoryError()
    assert raised(case) is case
    wrapped = RuntimeError("applying transform")
    assert raised(wrapped, case) is wrapped


@pytest.mark.parametrize(
    "error", [ValueError("else"), RuntimeError("shape mismatch"), KeyboardInterrupt()]
)
def test_what_no_user_can_mend_stays_as_it_is(error):
    assert raised(error) is error
