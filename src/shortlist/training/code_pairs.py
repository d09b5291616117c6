"""Pairs from source code: the first sentence of a function's docstring asks, the function without it answers."""

from __future__ import annotations

import ast
import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from shortlist.training.groups import Pair


def code_pairs(packages: Sequence[str], *, count: int, characters: int, seed: int) -> list[Pair]:
    """Return `count` pairs at most, drawn from the functions of installed packages (their licence is yours to check).

    Half of the functions keep the rest of their docstring, the others lose it whole.
    """
    rng = random.Random(seed)
    found = [pair for name in packages for file in _files(name) for pair in _pairs(file, characters, rng)]
    unique = list({pair.query.lower(): pair for pair in found}.values())
    rng.shuffle(unique)
    return unique[:count]


def _files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"package {package!r} is not installed; its functions are training data")
    places = [Path(p) for p in spec.submodule_search_locations or ()]
    files = [file for place in places for file in sorted(place.rglob("*.py"))] or [Path(spec.origin or "")]
    return [file for file in files if "test" not in file.name and "tests" not in file.parts]


def _pairs(file: Path, characters: int, rng: random.Random) -> Iterator[Pair]:
    try:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (SyntaxError, ValueError, OSError):
        return
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        docstring = ast.get_docstring(node)
        asked = _first_sentence(docstring or "")
        if docstring and asked and len(node.body) > 1:
            code = _without_docstring(node, lines, keep="" if rng.random() < 0.5 else docstring[len(asked) :])
            if len(code) > 60:
                yield Pair(_as_asked(asked, rng), code[:characters], "python_code")


def _first_sentence(docstring: str) -> str:
    sentence = docstring.split("\n\n")[0].replace("\n", " ").split(". ")[0].strip()
    return sentence if 3 <= len(sentence.split()) <= 20 and sentence.isascii() and "`" not in sentence else ""


def _as_asked(sentence: str, rng: random.Random) -> str:
    asked = sentence.rstrip(".")
    if rng.random() < 0.5:
        asked = rng.choice(("python {}", "how to {} in python", "python how to {}", "{} python")).format(asked.lower())
    return asked


def _without_docstring(node: ast.FunctionDef, lines: Sequence[str], *, keep: str) -> str:
    first = node.body[0]
    head = lines[node.lineno - 1 : first.lineno - 1]
    body = lines[first.end_lineno or first.lineno : node.end_lineno]
    kept = [f'"""{" ".join(keep.split())[:300]}"""'] if len(keep.strip(" .\n")) > 20 else []
    return "\n".join([*head, *kept, *body])
