"""From a model's name to a running engine: find the files, export when needed, open a session."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shortlist.errors import InputError, MissingExtraError
from shortlist.inference.engine import Engine
from shortlist.inference.models import ModelFolder, find_model
from shortlist.inference.processor import processor_features
from shortlist.inference.session import Precision, Session
from shortlist.inference.tokens import Tokenizer

Head = Literal["classification", "mean_pooling", "token_embeddings"]

ENGINES: dict[str, tuple[str, str]] = {
    "openvino": ("openvino", "shortlist.inference.openvino:OpenVinoSession"),
    "onnxruntime": ("onnxruntime", "shortlist.inference.onnxruntime:OnnxRuntimeSession"),
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A running engine with the files it came from."""

    engine: Engine
    folder: ModelFolder
    fingerprint: str


def load_engine(
    name: str,
    *,
    head: Head,
    revision: str | None = None,
    engine: str = "auto",
    precision: Precision | str = Precision.AUTO,
    threads: int | None = None,
) -> LoadedModel:
    """Load a model onto a runtime; a folder without an ONNX or OpenVINO file is exported once into the cache."""
    try:
        wanted = Precision(precision)
    except ValueError:
        raise InputError(
            f"precision must be one of {', '.join(p.value for p in Precision)}; got {precision!r}"
        ) from None
    if threads is not None and threads < 1:
        raise InputError(f"threads must be a whole number from 1; got {threads}")
    folder = find_model(name, revision=revision)
    tokenizer = Tokenizer.load(folder.path / "tokenizer.json", pad_id=folder.pad_id)
    weights = folder.fingerprint()
    session = _open(engine, folder.ready_made or _exported(folder, weights, head), wanted, threads)
    fingerprint = f"{weights}:{session.engine}:{session.precision.value}"
    return LoadedModel(Engine(tokenizer, session), folder, fingerprint)


def available_engines() -> tuple[str, ...]:
    """Name the installed runtimes, the one that "auto" takes first; none of them is loaded.

    OpenVINO comes first where the processor multiplies in bf16, which ONNX Runtime does not
    use. Elsewhere they are equally fast, or ONNX Runtime is a little faster.
    """
    installed = [name for name, (module, _) in ENGINES.items() if importlib.util.find_spec(module) is not None]
    first = "openvino" if processor_features() & {"amx_bf16", "avx512_bf16"} else "onnxruntime"
    return tuple(sorted(installed, key=lambda name: name != first))


def _open(engine: str, file: Path, precision: Precision, threads: int | None) -> Session:
    if engine == "auto":
        installed = available_engines()
        if not installed:
            raise MissingExtraError("no inference runtime is installed; install one: pip install openvino")
        engine = "openvino" if file.suffix == ".xml" else installed[0]
    if engine not in ENGINES:
        raise InputError(f"engine must be 'auto' or one of {', '.join(ENGINES)}; got {engine!r}")
    module, attribute = ENGINES[engine][1].split(":")
    session_class: Any = getattr(importlib.import_module(module), attribute)
    session: Session = session_class.load(file, precision=precision, threads=threads)
    return session


def _exported(folder: ModelFolder, weights: str, head: Head) -> Path:
    from platformdirs import user_cache_path

    from shortlist.inference.export import EXPORT_VERSION, export_onnx

    out = user_cache_path("shortlist") / "exports" / f"{weights.replace('/', '--')}-{head}-v{EXPORT_VERSION}"
    if not (out / "model.onnx").is_file():
        export_onnx(folder.path, out, head=head)
    return out / "model.onnx"
