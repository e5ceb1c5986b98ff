import pytest
import torch

from bundle.mixture.case_batches import LARGE, in_batches


@pytest.mark.parametrize(("size", "expected"), [(LARGE - 1, [3]), (LARGE, [1, 1, 1])])
def test_only_large_cases_go_through_a_cpu_one_by_one(size, expected):
    values = torch.randn(3, size)
    parts = in_batches(values)
    assert [len(part) for part in parts] == expected
    assert torch.equal(torch.cat(list(parts)), values)


def test_elsewhere_all_cases_go_through_at_once():
    assert len(in_batches(torch.empty(3, LARGE, device="meta"))) == 1
