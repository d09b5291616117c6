"""Where figures come from: command, versions and hardware, to be stored beside them."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from typing import Any

from shortlist.inference.cores import usable_cores
from shortlist.inference.processor import processor_features, processor_name

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
            "processor": processor_name(),
            "usable_cores": usable_cores(),
            "instructions": sorted(processor_features()),
            "system": platform.platform(terse=True),
            "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        },
    }


def as_markdown(run: dict[str, Any]) -> str:
    """Return the run in three lines."""
    commit = f", commit {run['commit']}" if "commit" in run else ""
    command = f"`{run['command']}` at " if run["command"] else ""  # from Python there is none
    return f"{command}{run['when']}{commit}.\n" + "".join(f"{line}.\n" for line in made_on(run))


def made_on(run: dict[str, Any]) -> tuple[str, str]:
    """Return the hardware and the versions of a run, a line each."""
    machine = run["hardware"]
    hardware = (
        f"{machine['processor']}, {machine['usable_cores']} cores usable, {' '.join(machine['instructions'])},"
        f" {machine['system']}; load at the start {machine['load_at_start']}"
    )
    return hardware, ", ".join(f"{name} {version}" for name, version in run["versions"].items())


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    installed = {}
    for package in sorted(packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[package] = importlib.metadata.version(package)
    return installed
