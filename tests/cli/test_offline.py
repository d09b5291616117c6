"""`shortlist verify`, `pull`, `pack` and `unpack`, as they print and exit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from families.tiny import write_classifier

from .running import run


def test_verify_says_what_was_compared_and_exits_with_0() -> None:
    arguments = ("verify", "shortlist-minilm-l6", "--engine", "onnxruntime", "--precision", "fp32")
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert "shortlist-minilm-l6 against onnxruntime fp32 on 40 pairs" in outcome.out
    assert "2 of 2" in outcome.out
    report = run(*arguments, "--json").json()
    assert (report["ok"], report["pairs"], len(report["backends"])) == (True, 40, 1)
    assert report["backends"][0]["kendall_tau"] == 1.0
    assert {pair["ok"] for pair in report["backends"][0]["published"]} == {True}


def test_verify_exits_with_1_when_published_scores_are_not_reproduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_classifier(tmp_path / "m", max_position_embeddings=64)
    (folder / "shortlist.json").write_text('{"name": "ms-marco-MiniLM-L6-v2"}')
    outcome = run("verify", folder, "--engine", "onnxruntime", "--precision", "fp32")
    assert outcome.code == 1
    assert "0 of 2" in outcome.out
    assert "WRONG" in outcome.out


def test_a_model_is_packed_and_unpacked(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "mine")
    packed = run("pack", folder, "-o", tmp_path / "b.tar")
    assert (packed.code, packed.err) == (0, "")
    assert "mine" in packed.out
    unpacked = run("unpack", tmp_path / "b.tar", "--to", tmp_path / "there", "--json")
    assert unpacked.json() == {"models": {"mine": str(tmp_path / "there" / "mine")}}
    again = run("unpack", tmp_path / "b.tar", "--to", tmp_path / "there")
    assert again.code == 2
    assert "is there already" in again.err


@pytest.mark.usefixtures("hub_out_of_reach")
def test_what_cannot_be_fetched_says_why_and_its_licence_first(tmp_path: Path) -> None:
    outcome = run("pull", "jina-reranker-v2-base-multilingual", "--to", tmp_path / "m")
    assert outcome.code == 1
    assert outcome.out == ""
    assert "licensed CC-BY-NC-4.0: NOT for commercial use" in outcome.err
    assert "cannot fetch 'jinaai/jina-reranker-v2-base-multilingual' from the hub" in outcome.err


def test_documents_are_indexed_and_searched_where_there_is_no_network(tmp_path: Path) -> None:
    """The kernel gives the process a network namespace without an interface: nothing could be sent or fetched."""
    alone = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives a process no network namespace of its own")
    (tmp_path / "tower.md").write_text("The tower is 330 metres tall.", encoding="utf-8")
    main = "from shortlist.cli import main; main(['search', 'how tall?', '.', '--json'])"
    done = subprocess.run(
        [*alone, sys.executable, "-c", main], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["place"]["path"] == "tower.md"
