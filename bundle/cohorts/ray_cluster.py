"""Joins a Ray cluster, or starts one on this machine, quietly and with a token."""

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from bundle.cohorts.ray_layout import Machine
from bundle.errors import SetupError
from bundle.files.extras import import_extra

_QUIET = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or it warns on every machine with a GPU
}
"""Of Ray's environment, where the user has not said otherwise."""
_TOKEN = secrets.token_hex(32)
"""Of clusters that this process starts, so that nobody else on the machine can use them."""
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_STORE_BYTES = 100 * 2**20  # nothing is kept there but an outcome on its way
_ANSWER_S = 5.0


@contextlib.contextmanager
def joined(address: str | None, n_workers: int | None) -> Iterator[Any]:
    """Return the module ``ray``, connected to a cluster.

    A cluster that was started here is gone afterwards. A process that is connected already stays
    where it is.

    Args:
        address: ``HOST:PORT`` of the cluster's head; None starts one on this machine.
        n_workers: for which there must be room here if the cluster is started.

    Raises:
        SetupError: E_EXTRA, Ray is not installed; E_CLUSTER, the cluster cannot be reached.
    """
    if address is not None:
        _check_answers(address)
    with _environment(address), _same_hooks() as restore:
        ray = import_extra("ray", "ray")
        if ray.is_initialized():
            yield ray
            return
        _connect(ray, address, n_workers)
        restore()
        try:
            yield ray
        finally:
            ray.shutdown()


def machines(ray: Any) -> list[Machine]:
    """List what the machines of the cluster have."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Machine(int(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in alive]


def _connect(ray: Any, address: str | None, n_workers: int | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init(
            "local",
            num_cpus=max(_n_cpus(), n_workers or 1),
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            **quiet,
        )
        return
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        cause = error.__cause__ or error
        raise SetupError(
            "E_CLUSTER",
            f"--address must be the head of a Ray cluster of which this machine is a part, with the"
            f" same token; {address} refused: {_first_line(cause)} See docs/batch_ray.md.",
        ) from error


def _check_answers(address: str) -> None:
    """Refuse at once an address that Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S):
            return
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise SetupError(
        "E_CLUSTER",
        f"--address must be HOST:PORT of a Ray cluster's head; {address} does not answer: {reason}."
        " Start it with `ray start --head`, or leave --address out for this machine alone.",
    )


def _n_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _environment(address: str | None) -> Iterator[None]:
    """Set what Ray reads where it starts, and take it away again."""
    wanted = dict(_QUIET)
    if address is None and not any(name in os.environ for name in _TOKENS):
        wanted["RAY_AUTH_TOKEN"] = _TOKEN  # else Ray writes one into the home of the user
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _same_hooks() -> Iterator[Any]:
    """Return what puts the process's own handling of SIGTERM and of uncaught errors back, which Ray
    replaces by its own.
    """
    in_main = threading.current_thread() is threading.main_thread()
    handler, hook = signal.getsignal(signal.SIGTERM), sys.excepthook

    def restore() -> None:
        sys.excepthook = hook
        if in_main and handler is not None:
            signal.signal(signal.SIGTERM, handler)

    try:
        yield restore
    finally:
        restore()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."
