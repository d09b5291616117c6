"""How many cores this process may use: its affinity, and the quota of the container it runs in."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may keep busy, at least 1.

    A container's CPU quota counts, rounded up: with more threads than that, the kernel stops all of them
    for the rest of every scheduling period.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(*, cgroups: Path = _CGROUPS, own: Path = _OWN) -> float | None:
    """Return the tightest CPU quota of this process's control groups in cores, or None where there is none.

    Version 2 has `cpu.max` ("200000 100000" or "max 100000") in the group and in those above it, version 1
    `cpu.cfs_quota_us` and `cpu.cfs_period_us` (https://docs.kernel.org/admin-guide/cgroup-v2.html).
    """
    found = [quota for folder in _folders(cgroups, own) if (quota := _quota(folder)) is not None]
    return min(found, default=None)


def _folders(cgroups: Path, own: Path) -> list[Path]:
    """List the folders of the process's groups and of all above them; the mount's root stands for a namespace."""
    folders = [cgroups, cgroups / "cpu", cgroups / "cpu,cpuacct"]
    for line in _read(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        root = cgroups if not controllers else cgroups / controllers
        if not controllers or "cpu" in controllers.split(","):
            parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
            folders += [root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return folders


def _quota(folder: Path) -> float | None:
    allowed, period = [*_read(folder / "cpu.max").split(), "", ""][:2]
    if not allowed:
        allowed, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
    try:
        quota = int(allowed) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return quota if quota > 0 else None  # version 1 writes -1 for no limit


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
