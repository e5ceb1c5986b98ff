"""How much memory this process may still take, as far as the system says."""

import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":  # where nothing here applies
    import resource

_ROOT = Path("/")

# Per version of control groups: where they are mounted, and the names of limit, usage and what is
# cache in it.
_UNIFIED = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_LEGACY = (
    "sys/fs/cgroup/memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)


def available_bytes(root: Path = _ROOT) -> int | None:
    """Return the least of what the machine, the control group (containers, job schedulers) and
    ulimit leave.

    Args:
        root: of the file system; another one for tests.

    Returns:
        Bytes; None where nothing says it, as on macOS and Windows.
    """
    limits = [*_machine(root), *_control_groups(root), *_address_space(root)]
    return max(0, min(limits)) if limits else None


def _machine(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _control_groups(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _group_limits(root, path, *_UNIFIED)
        elif "memory" in controllers.split(","):
            yield from _group_limits(root, path, *_LEGACY)


def _group_limits(
    root: Path, path: str, mount: str, limit: str, usage: str, cache: str
) -> Iterator[int]:
    """Return what a group and those around it leave.

    Inside a container only the outermost may be visible.
    """
    top = root / mount
    group = top / path.lstrip("/")
    for folder in (group, *group.parents):
        if folder.is_relative_to(top):
            most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
            if most.isdigit() and used.isdigit():
                yield int(most) - int(used) + _cached(folder / "memory.stat", cache)


def _cached(stat: Path, name: str) -> int:
    """Files that the kernel keeps in memory count as used, but it gives them up when memory is
    needed.
    """
    for line in _text(stat).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _address_space(root: Path) -> Iterator[int]:
    if sys.platform == "win32":
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(root / "proc/self/statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
