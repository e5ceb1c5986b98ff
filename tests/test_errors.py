import pytest

from bundle.errors import (
    CaseError,
    OutputError,
    SetupError,
    UsageError,
    UserError,
    explain,
    find_user_error,
)


def wrapped(error: Exception, *, hidden: bool = False) -> Exception:
    """Wrap an error twice, as MONAI does around transforms and components."""
    try:
        try:
            raise error
        except Exception as inner:
            raise RuntimeError("applying transform") from (None if hidden else inner)
    except RuntimeError as middle:
        outer = RuntimeError("failed to instantiate")
        outer.__context__ = middle
        return outer


@pytest.mark.parametrize("hidden", [False, True])
def test_what_a_user_can_mend_is_found_under_the_wrapping(hidden):
    error = CaseError("E_GRID", "the grids differ")
    assert find_user_error(wrapped(error, hidden=hidden)) is error


def test_an_error_for_the_user_is_found_as_it_is():
    error = SetupError("E_DEVICE", "no such device")
    assert find_user_error(error) is error


@pytest.mark.parametrize("error", [None, ValueError("other"), wrapped(ValueError("other"))])
def test_nothing_is_found_where_the_user_can_mend_nothing(error):
    assert find_user_error(error) is None


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(UserError, 1), (CaseError, 1), (UsageError, 2), (OutputError, 74), (SetupError, 78)],
)
def test_each_kind_has_its_exit_code(kind, exit_code):
    error = kind("E_X", "what must be; got this.")
    assert isinstance(error, UserError)
    assert (error.code, str(error), error.exit_code) == (
        "E_X",
        "what must be; got this.",
        exit_code,
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate"
            " memory: you tried"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] not enough memory: you tried to allocate 8 bytes"),
        wrapped(MemoryError("Unable to allocate 2. GiB for an array")),
    ],
)
def test_memory_that_runs_out_is_an_error_for_the_user_whoever_says_so(error):
    found = explain(error)
    assert (found.code, found.exit_code) == ("E_MEMORY", 1)
    assert "roi_size" in str(found)


def test_a_refusal_for_want_of_memory_keeps_its_own_words():
    error = CaseError("E_TOO_LARGE", "resample")
    error.__cause__ = MemoryError()
    assert explain(error) is error
