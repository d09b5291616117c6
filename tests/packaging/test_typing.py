"""The public API is typed for those who use it: two type checkers read a user's program."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "consumer.py"
WRONG = 'import shortlist\nscore: str = shortlist.rank("q", ["a"])[0].score\n'


def elsewhere(folder: Path, text: str = "") -> Path:
    """Put the program (or another) into a folder that knows nothing of the checkout."""
    program = folder / "program.py"
    program.write_text(text or PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
    return program


def mypy(program: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        str(program.parent / "cache"),
        str(program),
    ]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_mypy_reads_a_users_program(tmp_path: Path) -> None:
    done = mypy(elsewhere(tmp_path))
    assert done.returncode == 0, done.stdout
    assert 'expression has type "float", variable has type "str"' in mypy(elsewhere(tmp_path, WRONG)).stdout


@pytest.mark.slow
def test_pyright_reads_a_users_program(tmp_path: Path) -> None:
    pyright = shutil.which("pyright") or shutil.which("pyright", path=Path(sys.executable).parent)
    if pyright is None:
        pytest.skip("needs pip install pyright")
    program = elsewhere(tmp_path)
    command = [pyright, "--outputjson", "--pythonpath", sys.executable, str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert [one["message"] for one in told["generalDiagnostics"]] == []
    assert told["summary"]["filesAnalyzed"] >= 1
    elsewhere(tmp_path, WRONG)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "reportAssignmentType" in done.stdout
