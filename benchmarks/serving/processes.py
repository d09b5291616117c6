"""Servers as processes: started by their command, known by port, watched for memory."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shortlist.errors import InputError

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: what the tables call it, its process, its port, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    ready_s: float

    def memory_mb(self) -> float:
        """Return what the process and its children hold in memory; 0 once it has ended."""
        return sum(_resident(pid) for pid in _family(self.process.pid)) / 1e6


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def serving(
    name: str, command: str, *, wait_s: float = 90.0, environ: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Start a command in which `{port}` stands for the port, and end its whole process group afterwards.

    It is ready when it accepts a connection. Raises InputError with the end of its output when it does not.
    """
    port = free_port()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                shlex.split(command.replace("{port}", str(port))),
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **(environ or {})},
            )
        try:
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() - began > wait_s:
                    raise InputError(f"{name} does not serve:\n{log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.02)
            yield Served(name, process, port, log, time.monotonic() - began)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process group to end, and kill it after 10 s."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        named = [int(one) for one in children.read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(one for child in named for one in _family(child))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
