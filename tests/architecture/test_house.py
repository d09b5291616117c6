"""The house as it is drawn: inert import, public names, error tree, sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import shortlist
from shortlist import errors

SOURCE = Path(shortlist.__file__).parent


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def test_importing_shortlist_loads_no_runtime_no_model_and_no_network() -> None:
    heavy = "{'numpy', 'onnxruntime', 'openvino', 'qdrant_edge', 'tokenizers', 'torch', 'socket', 'typer', 'sqlite3'}"
    assert run_python(f"import sys, shortlist; print({heavy} & set(sys.modules))").strip() == "set()"


def test_importing_shortlist_reads_no_environment() -> None:
    code = (
        "import os, sys\n"
        "real, read = os.environ, []\n"
        "class Spy(dict):\n"
        "    def __getitem__(self, k): read.append(k); return real[k]\n"
        "    def get(self, k, d=None): read.append(k); return real.get(k, d)\n"
        "os.environ = Spy(real)\n"
        "import shortlist\n"
        "print([k for k in read if k.startswith('SHORTLIST')])"
    )
    assert run_python(code).strip() == "[]"


def test_the_public_names_are_these() -> None:
    assert shortlist.__all__ == [
        "Document",
        "Pipeline",
        "Place",
        "Query",
        "Ranking",
        "Reranker",
        "ScoreKind",
        "ScoredDocument",
        "ShortlistError",
        "Step",
        "Trace",
        "index_paths",
        "open_pipeline",
        "rank",
    ]
    assert all(getattr(shortlist, name) is not None for name in shortlist.__all__)


def test_every_error_is_drawn_in_the_tree() -> None:
    drawn = errors.__doc__ or ""
    ours = [n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.ShortlistError)]
    assert len(ours) >= 15
    assert [name for name in ours if name not in drawn] == []


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Every syntax node of the package with its file."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield file.relative_to(SOURCE), node


def test_no_function_is_too_long_to_read_at_once() -> None:
    functions = [(file, node) for file, node in nodes() if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 300
    assert [f"{file}: {f.name}" for file, f in functions if (f.end_lineno or 0) - f.lineno >= 60] == []


def test_no_module_holds_more_than_one_idea_can_need() -> None:
    assert [str(f) for f in SOURCE.rglob("*.py") if len(f.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_the_library_never_prints() -> None:
    calls = [(file, node.func) for file, node in nodes() if isinstance(node, ast.Call)]
    printing = {file for file, called in calls if isinstance(called, ast.Name) and called.id == "print"}
    assert {file for file in printing if file.parts[0] not in {"cli", "training"}} == set()


def test_the_command_line_loads_no_code_of_language_models_before_one_is_named() -> None:
    ours = "('shortlist.scorers.llm', 'shortlist.generators.load', 'shortlist.generators.llamacpp', 'openai')"
    code = f"import sys, shortlist.cli.app; print([name for name in sys.modules if name.startswith({ours})])"
    assert run_python(code).strip() == "[]"
