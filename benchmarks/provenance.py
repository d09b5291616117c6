"""Where figures come from: command, versions and hardware, to be stored beside them."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shortlist import __version__

_PACKAGES = ("numpy", "onnxruntime", "openvino", "qdrant-edge-py", "sentence-transformers", "tokenizers", "torch")
# the instruction sets that decide which precision is fast
_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def provenance(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Describe this run as plain JSON values."""
    return {
        "command": shlex.join(["python", "-m", module, *map(_without_folder, arguments)]),
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), "shortlist": __version__, **_versions()},
        "hardware": _hardware(),
    }


def as_markdown(run: dict[str, Any]) -> str:
    """Return the run in three lines."""
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    machine = run["hardware"]
    load = machine["load_at_start"]
    return (
        f"`{run['command']}` at {run['when']}, commit {run['commit']}.\n"
        f"{machine['processor']}, {machine['usable_cores']} cores usable, {' '.join(machine['instructions'])},"
        f" {machine['system']}; load at the start {load}.\n"
        f"{versions}.\n"
    )


def _without_folder(argument: str) -> str:
    """Keep only the name of an absolute path: where a folder lies says nothing about a figure."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
    return {name: installed[name] for name in _PACKAGES if name in installed}


def _commit() -> str:
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _hardware() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = about.get("flags", "").split()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": about.get("model name") or platform.processor() or platform.machine(),
        "usable_cores": len(affinity(0)) if affinity else os.cpu_count(),
        "instructions": [flag for flag in _FLAGS if flag in flags],
        "system": platform.platform(terse=True),
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }
