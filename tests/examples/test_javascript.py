"""A client that is generated from our OpenAPI document calls us: types checked, then run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the extra 'server'")

from server.running import running, state_with

CLIENT = Path(__file__).parents[2] / "examples" / "javascript"


@pytest.fixture
def address() -> Iterator[str]:
    with running(state_with()) as server:
        yield server.url


@pytest.mark.slow
def test_a_generated_client_is_typed_and_gets_its_ranking(address: str, tmp_path: Path) -> None:
    """Needs node and npm's registry; half a minute."""
    if shutil.which("npm") is None:
        pytest.skip("needs node")
    shutil.copytree(CLIENT, tmp_path, dirs_exist_ok=True)

    def npm(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SHORTLIST": address}
        return subprocess.run(
            ["npm", "--silent", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    for words in (("install", "--no-audit", "--no-fund"), ("run", "generate"), ("run", "check")):
        done = npm(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert npm("start").stdout.startswith("1. height ")
    program = tmp_path / "rank.ts"
    program.write_text(program.read_text().replace("top_k: 1", 'top_k: "one"'))
    assert "rank.ts" in npm("run", "check").stdout
