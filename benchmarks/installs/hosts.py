"""Our adapters beside several releases of their hosts, each in a clean environment.

    python -m benchmarks.installs.hosts --json docs/figures/hosts.json

For every host: the oldest release that we say works (the extra's bound in `pyproject.toml`; of what a drop-in stands in
for, the one its docstring names), the newest there is, and what else `RELEASES` lists. Needs a package index and uv
(`pip install uv`); takes half an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.installs.clean import TESTING, InstallError, clean_environment, told, wheel
from benchmarks.installs.extras import SMOKE
from benchmarks.provenance import keep, provenance

NEWEST = "newest"
RELEASES: Mapping[str, Sequence[str]] = {
    "langchain-core": ("0.3.0", "1.0.0", "1.4.0", NEWEST),
    "llama-index-core": ("0.12.0", "0.13.0", "0.14.0", NEWEST),
    "haystack-ai": ("2.20.0", "3.0.0", NEWEST),
    "dspy": ("2.6.13", "3.0.0", NEWEST),
    "qdrant-client": ("1.10.0", "1.12.0", NEWEST),
    "lancedb": ("0.20.0", "0.25.0", "0.30.0", NEWEST),
    "mcp": ("1.20.0", "2.0.0", NEWEST),
    "mteb": ("2.10.0", NEWEST),
    "pyterrier": ("1.0.0", NEWEST),
    "sentence-transformers": ("5.0.0", "6.0.0", NEWEST),
    "rerankers": ("0.9.0", NEWEST),
    "flashrank": ("0.2.0", "0.2.9", NEWEST),
}
SHAPES = {"sentence-transformers": "6", "rerankers": "0.10", "flashrank": "0.2.9"}
"""The releases whose shape our drop-ins have: none is asked for by an extra, since a drop-in takes its place."""
EXTRAS = {"langchain-core": "langchain", "llama-index-core": "llama-index", "haystack-ai": "haystack"}
EXTRAS |= {"qdrant-client": "qdrant"}
_FOLDERS = ("onnx>=1.17", "huggingface-hub>=0.27", "torch>=2.6", "transformers>=4.45")
BESIDE: Mapping[str, Sequence[str]] = {
    "lancedb": ("pandas", "pylance"),
    "mcp": ("uvicorn",),
    "sentence-transformers": _FOLDERS,
    "rerankers": _FOLDERS,
}
"""What a host's own test needs; without it the test would skip."""

_REAL = "tests/integrations/test_real_dropins.py"
_NAMED = {"sentence-transformers": "sentence_transformers"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Try, and write or print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of hosts, with commas between; host==release for one release")
    parser.add_argument("--json", type=Path, help="where the rows are kept; those tried before stay")
    chosen = parser.parse_args(arguments)
    kept = json.loads(chosen.json.read_text("utf-8"))["rows"] if chosen.json and chosen.json.exists() else {}
    with TemporaryDirectory() as folder:
        built = wheel(Path(folder))
        for host, release in _wanted(chosen.only):
            tried = attempt(host, release, built, Path(folder))
            others = {
                one: row | {"newest": False} if tried["newest"] else row for one, row in kept.get(host, {}).items()
            }
            kept[host] = others | {tried["release"]: tried}
            told([host, tried])
            rows = {one: kept[one] for one in RELEASES if one in kept}
            found = {"run": provenance("benchmarks.installs.hosts", sys.argv[1:]), "rows": rows}
            keep(chosen.json, found)
    if not chosen.json:
        print(json.dumps(found, indent=1))


def attempt(host: str, release: str, built: Path, parent: Path) -> dict[str, Any]:
    """Install one release of a host beside our wheel and run its adapter's tests."""
    pinned = host if release == NEWEST else f"{host}=={release}"
    with clean_environment(parent) as environment:
        try:
            environment.install(str(built), pinned, *TESTING, *BESIDE.get(host, ()))
        except InstallError as error:
            wrong = {"passed": 0, "failed": 1, "skipped": 0, "words": str(error)}
            return {"release": release, "newest": release == NEWEST, **wrong}
        outcome = environment.test(*tests_of(host))
        found = environment.releases()[host]
    told = {"passed": outcome.passed, "failed": outcome.failed, "skipped": outcome.skipped, "words": outcome.words}
    return {"release": found, "newest": release == NEWEST, **told}


def beside(rows: Mapping[str, Mapping[str, Any]], tried: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the rows with one more: when it is the newest release, what was so before is no longer."""
    older = {one: {**row, "newest": row.get("newest", False) and not tried["newest"]} for one, row in rows.items()}
    return older | {tried["release"]: tried}


def tests_of(host: str) -> Sequence[str]:
    """Return the tests that run our adapter in its host, or our drop-in beside what it stands in for."""
    return [f"{_REAL}::test_{_NAMED.get(host, host)}"] if host in SHAPES else SMOKE[EXTRAS.get(host, host)]


def _wanted(only: str | None) -> list[tuple[str, str]]:
    if not only:
        return [(host, release) for host, releases in RELEASES.items() for release in releases]
    pairs = [one.partition("==") for one in only.split(",")]
    return [(host, one) for host, _, release in pairs for one in ([release] if release else RELEASES[host])]


if __name__ == "__main__":
    main()
