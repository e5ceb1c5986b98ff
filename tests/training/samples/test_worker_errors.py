import multiprocessing

import pytest
from torch.utils.data import DataLoader, Dataset

from bundle.errors import CaseError, find_user_error
from bundle.training.samples.worker_errors import WorkerCaseError, case_errors_leave_workers

MESSAGE = "Case 7: a file must be whole; got 3 bytes: \nthe rest is missing. Copy it again."


class Broken(Dataset):
    """A data set whose only case fails as it would inside MONAI's composition."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        with case_errors_leave_workers():
            try:
                raise self.error
            except Exception as error:
                raise RuntimeError("applying transform <object>") from error


def failure(dataset, **options):
    """Return the error of a loader, and end its workers: torch would wait for them for seconds, but
    only much later.
    """
    with pytest.raises((RuntimeError, CaseError)) as caught:
        list(DataLoader(dataset, **options))
    for worker in multiprocessing.active_children():
        worker.terminate()
        worker.join()
    return caught.value


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_error_of_a_case_is_found_with_code_and_message(num_workers):
    found = find_user_error(failure(Broken(CaseError("E_CRC", MESSAGE)), num_workers=num_workers))
    assert isinstance(found, CaseError)
    assert (found.code, str(found)) == ("E_CRC", MESSAGE)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_other_errors_keep_their_type_and_traceback(num_workers):
    error = failure(Broken(ZeroDivisionError("a defect")), num_workers=num_workers)
    assert type(error) is RuntimeError
    assert find_user_error(error) is None


def test_the_text_in_the_worker_carries_the_code():
    carried = WorkerCaseError("E_CRC", MESSAGE)
    arrived = WorkerCaseError(
        f"Caught WorkerCaseError.\nbundle.training.samples.worker_errors.WorkerCaseError: {carried}\n"
    )
    assert (arrived.code, str(arrived)) == ("E_CRC", MESSAGE)
