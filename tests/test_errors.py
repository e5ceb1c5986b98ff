import json
import pickle

import pytest

from bundle.error_codes import case_codes, exam_codes, image_codes, run_codes
from bundle.error_codes.error_code import ErrorCode
from bundle.errors import (
    CaseError,
    OutputError,
    SetupError,
    UsageError,
    UserError,
    explain,
    find_user_error,
)
from tests.errors_page import PAGE, exit_statuses, page, sources, used_codes


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
    error = kind("E_GRID", "what must be; got this.")
    assert isinstance(error, UserError)
    assert (error.code, str(error), error.exit_code) == (
        "E_GRID",
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


@pytest.mark.parametrize("code", ["E_TYPO", "GRID", "", "e_grid"])
def test_a_code_that_is_not_declared_is_refused(code):
    with pytest.raises(ValueError, match="not a valid ErrorCode"):
        CaseError(code, "what must be; got this.")


def test_a_code_is_its_text_wherever_it_goes():
    code = CaseError("E_GRID", "the grids differ").code
    assert code is ErrorCode.GRID
    assert (f"{code}: a", str(code), json.dumps([code])) == ("E_GRID: a", "E_GRID", '["E_GRID"]')
    assert pickle.loads(pickle.dumps(code)) is code


def test_each_code_is_declared_once_in_the_order_of_the_alphabet():
    tables = [image_codes.CODES, case_codes.CODES, exam_codes.CODES, run_codes.CODES]
    assert sum(map(len, tables)) == len(ErrorCode)
    assert all(list(table) == sorted(table) for table in tables)


def test_every_code_is_used_and_every_used_code_is_declared():
    assert used_codes(sources()) == set(ErrorCode)


def test_the_page_for_users_has_every_code_as_it_is_declared_and_raised():
    """If this fails: python -m tests.errors_page."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("code", ErrorCode)
def test_what_is_wrong_and_the_way_out_are_sentences(code):
    for text in (code.wrong, code.way_out):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "|" not in text
        assert "\n" not in text


@pytest.mark.parametrize(
    "source",
    [
        'raise CaseError("E_GRID", "text")',
        'raise CaseError(ErrorCode.GRID, "text")',
        'RULE = Rule("E_GRID")',
        'reason = f"E_GRID: {text}"',
    ],
)
def test_a_code_is_found_however_a_module_writes_it(source):
    assert used_codes([source]) == {"E_GRID"}


def test_an_exit_status_is_that_of_the_class_beside_the_code():
    source = 'CaseError("E_GRID", "")\nSetupError(ErrorCode.GRID, "")\nother("E_SPLIT", "")'
    assert exit_statuses([source]) == {"E_GRID": {1, 78}}
