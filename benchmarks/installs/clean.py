"""A clean environment: made, filled by uv, tested with files of the checkout, thrown away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
TESTING = ("pytest>=8.3", "hypothesis>=6.100")
"""What the tests' own settings import; installed after everything was measured."""


class InstallError(RuntimeError):
    """No set of releases was found, or one could not be installed; the last words of uv are the message."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a selection of tests did: how many passed, failed and were skipped."""

    passed: int
    failed: int
    skipped: int
    words: str = ""

    @property
    def holds(self) -> bool:
        """Whether something ran and nothing failed: skips alone are no pass."""
        return self.passed > 0 and self.failed == 0


@dataclass(frozen=True, slots=True)
class Clean:
    """A virtual environment in a folder of its own, with nothing of the one that made it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    def install(self, *requirements: str) -> float:
        """Install requirements (and options of uv) together and return the seconds it took.

        Raises InstallError with uv's last words.
        """
        started = time.perf_counter()
        done = self._uv("install", "--quiet", *requirements)
        if done.returncode:
            raise InstallError(done.stderr.strip()[-600:])
        return time.perf_counter() - started

    def conflicts(self) -> str:
        """Return which requirements of what is installed are not met, or nothing."""
        done = self._uv("check")
        return "" if done.returncode == 0 else done.stderr.strip()

    def releases(self) -> dict[str, str]:
        """Return the version of every installed package by its name in lower case."""
        return {one["name"].lower(): one["version"] for one in json.loads(self._uv("list", "--format", "json").stdout)}

    def mebibytes(self) -> float:
        """Return the size of what is installed."""
        site = next(self.folder.rglob("site-packages"))
        files = [file for file in site.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) / 2**20

    def test(self, *selection: str) -> Outcome:
        """Run tests of the checkout against what is installed; slow ones are left out."""
        report = self.folder / "report.xml"
        done = self._run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *selection, cwd=ROOT)
        if not report.is_file():
            return Outcome(0, 1, 0, done.stdout.strip()[-600:] + done.stderr.strip()[-600:])
        counts = ElementTree.parse(report).getroot()[0].attrib
        failed, skipped = int(counts["failures"]) + int(counts["errors"]), int(counts["skipped"])
        words = done.stdout.strip()[-600:] if failed else ""
        return Outcome(int(counts["tests"]) - failed - skipped, failed, skipped, words)

    def script(self, file: Path, *, within: Path) -> Outcome:
        """Run a script in a folder: it passes by ending without an error."""
        done = self._run(str(file), cwd=within)
        return Outcome(1, 0, 0) if done.returncode == 0 else Outcome(0, 1, 0, done.stderr.strip()[-600:])

    def _uv(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "uv", "pip", command, "--python", str(self.python), *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def _run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
        return subprocess.run(
            [str(self.python), *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environment
        )


@contextmanager
def clean_environment(parent: Path) -> Iterator[Clean]:
    """Make an empty virtual environment below a folder, and remove it afterwards."""
    with TemporaryDirectory(dir=parent) as folder:
        made = Clean(Path(folder) / "env")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made.folder)], check=True)
        yield made


def wheel(parent: Path) -> Path:
    """Build the checkout's wheel into a folder."""
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(parent), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True)
    return next(parent.glob("shortlist-*.whl"))


def told(what: Sequence[object]) -> None:
    """Say on stderr where we are."""
    print(*what, file=sys.stderr, flush=True)
