"""How many workers a cluster has room for."""

import pytest

from bundle.cohorts.ray_layout import Layout, Machine, choose_layout
from bundle.errors import SetupError


@pytest.mark.parametrize(
    ("machines", "n_workers", "layout"),
    [
        ([Machine(2)], None, Layout(1, 2)),
        ([Machine(8)], None, Layout(2, 4)),
        ([Machine(16), Machine(0), Machine(6)], None, Layout(5, 4)),
        ([Machine(16), Machine(3)], None, Layout(6, 3)),
        ([Machine(8)], 3, Layout(3, 2)),
        ([Machine(8), Machine(8)], 3, Layout(3, 4)),
        ([Machine(2), Machine(1)], 3, Layout(3, 1)),
    ],
    ids=str,
)
def test_processors_are_divided_among_workers_that_each_fit_one_machine(
    machines, n_workers, layout
):
    assert choose_layout(machines, n_workers, "cpu") == layout
    assert choose_layout(machines, n_workers, "auto") == layout


@pytest.mark.parametrize(
    ("machines", "n_workers", "layout"),
    [
        ([Machine(16, 2)], None, Layout(2, 8, 1)),
        ([Machine(16, 2)], 1, Layout(1, 8, 1)),
        ([Machine(16, 2), Machine(64), Machine(4, 1)], None, Layout(3, 4, 1)),
        ([Machine(2, 4)], None, Layout(2, 1, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("device", ["auto", "cuda:0"])
def test_with_gpus_each_worker_has_one_and_machines_without_stay_idle(
    machines, n_workers, layout, device
):
    assert choose_layout(machines, n_workers, device) == layout


def test_who_asks_for_the_cpu_gets_no_gpu():
    assert choose_layout([Machine(8, 4)], 2, "cpu") == Layout(2, 4)


@pytest.mark.parametrize(
    ("machines", "n_workers", "device"),
    [
        ([Machine(2)], 3, "cpu"),
        ([Machine(0)], None, "auto"),
        ([], None, "cpu"),
        ([Machine(8)], None, "cuda"),
        ([Machine(8, 1)], 2, "auto"),
    ],
)
def test_workers_for_which_there_is_no_room_are_refused(machines, n_workers, device):
    with pytest.raises(SetupError, match="for each worker") as caught:
        choose_layout(machines, n_workers, device)
    assert caught.value.code == "E_CLUSTER"
