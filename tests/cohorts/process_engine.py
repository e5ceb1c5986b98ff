"""A second engine: cases are run by one worker in a process of its own."""

from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context


class ProcessEngine:
    """Sends what makes a worker, then the cases, to a process that shares nothing with this one."""

    def run(self, make_worker, cases):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(_make, make_worker).result()
            yield from pool.map(_run, cases)


@cache
def _workers():
    return []


def _make(make_worker):
    _workers().append(make_worker())


def _run(case):
    (worker,) = _workers()
    return worker(case)
