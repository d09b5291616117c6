"""Where figures come from: command, versions and hardware, to be stored beside them."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from shortlist.inference.cores import usable_cores
from shortlist.inference.processor import processor_features

_PACKAGES = (
    "ir-measures",
    "numpy",
    "onnxruntime",
    "openvino",
    "qdrant-edge-py",
    "shortlist-native",
    "tokenizers",
    "torch",
)


def provenance(command: str, *, shortlist: str = "", also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe this run as plain JSON values: `shortlist` is its version, `also` names further packages."""
    return {
        "command": command,
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "shortlist": shortlist, **_versions((*_PACKAGES, *also))},
        "hardware": {
            "processor": _processor(),
            "usable_cores": usable_cores(),
            "instructions": sorted(processor_features()),
            "system": platform.platform(terse=True),
            "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        },
    }


def as_markdown(run: dict[str, Any]) -> str:
    """Return the run in three lines."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    machine = run["hardware"]
    commit = f", commit {run['commit']}" if "commit" in run else ""
    command = f"`{run['command']}` at " if run["command"] else ""  # from Python there is none
    return (
        f"{command}{run['when']}{commit}.\n"
        f"{machine['processor']}, {machine['usable_cores']} cores usable, {' '.join(machine['instructions'])},"
        f" {machine['system']}; load at the start {machine['load_at_start']}.\n"
        f"{versions}.\n"
    )


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    installed = {}
    for package in sorted(packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[package] = importlib.metadata.version(package)
    return installed


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
