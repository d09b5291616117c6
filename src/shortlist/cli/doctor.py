"""`shortlist doctor`: what this machine and this install can do."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer
from rich.table import Table

import shortlist
from shortlist.build.reranker import Reranker
from shortlist.cli.options import Json
from shortlist.cli.output import console, print_json, print_text
from shortlist.errors import ShortlistError
from shortlist.inference.cores import usable_cores
from shortlist.inference.kernel import kernel
from shortlist.inference.load import ENGINES, NATIVE
from shortlist.inference.processor import processor_features, suits_kernel
from shortlist.weights import PackagedModel, packaged_models

_PACKAGES = (
    "onnxruntime",
    "openvino",
    "qdrant-edge-py",
    "tokenizers",
    "numpy",
    "onnx",
    "huggingface-hub",
    "httpx2",
    "pypdf",
    "torch",
    "shortlist-native",
)


def doctor(as_json: Json = False) -> None:
    """Check this machine and this install: processor, packages, models, and one real reranking.

    Exits with 1 when something that the main job needs does not work.
    """
    features = processor_features()
    report: dict[str, Any] = {
        "shortlist": shortlist.__version__,
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "processor": sorted(features),
        "packages": {name: _version(name) for name in _PACKAGES},
        "checks": {**_model_checks(), **_engine_checks()},
        "advice": _advice(features),
    }
    if as_json:
        print_json(report)
    else:
        _print(report)
    if not all(check == "ok" or check.startswith(("not installed", "not for")) for check in report["checks"].values()):
        raise typer.Exit(1)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _model_checks() -> dict[str, str]:
    return {f"checksums of {model.name}": _model_check(model) for model in packaged_models()}


def _model_check(model: PackagedModel) -> str:
    try:
        model.verify()
    except ShortlistError as error:
        return str(error)
    return "ok"


def _engine_checks() -> dict[str, str]:
    engines = {engine: module for engine, (module, _) in ENGINES.items()} | {NATIVE: "shortlist-native"}
    return {f"rerank on {engine}": _engine_check(engine, module) for engine, module in engines.items()}


def _engine_check(engine: str, module: str) -> str:
    if _version(module) == "not installed":
        return "not installed"
    try:
        if engine == NATIVE and not kernel().precisions():
            return "not for this processor, which has neither AMX nor AVX2"
        best = Reranker(engine=engine).rank("How tall is the tower?", ["It is of iron.", "It is 330 m tall."])[0]
    except (ShortlistError, ImportError, OSError) as error:  # a runtime may be installed and broken
        return str(error)
    return "ok" if best.doc_id == "1" else "the wrong document came first"


def _advice(features: set[str]) -> list[str]:
    advice = []
    if features & {"amx_bf16", "avx512_bf16"} and _version("openvino") == "not installed":
        advice.append(
            "this processor multiplies in bf16, which ONNX Runtime does not use: pip install 'shortlist[openvino]'"
        )
    if suits_kernel(features) and _version("shortlist-native") == "not installed":
        advice.append("our own kernel is the fastest engine on this processor: pip install 'shortlist[native]'")
    if _version("onnx") == "not installed":
        advice.append("to run models that come without an ONNX file: pip install 'shortlist[hub]'")
    return advice


def _print(report: dict[str, Any]) -> None:
    screen = console()
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("shortlist", "python", "machine", "cores"):
        table.add_row(name, str(report[name]))
    table.add_row("processor", ", ".join(report["processor"]) or "nothing special")
    for group in ("packages", "checks"):
        for name, value in report[group].items():
            table.add_row(name, value)
    screen.print(table)
    for line in report["advice"]:
        print_text(screen, f"advice: {line}")
