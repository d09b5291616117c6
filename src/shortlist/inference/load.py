"""From a model's name to a running engine: find the files, export when needed, open a session."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError, MissingExtraError, UnsupportedModelError
from shortlist.inference.calibrating import CALIBRATED, write_calibrated
from shortlist.inference.engine import TOKEN_BUDGET, Engine
from shortlist.inference.forks import ForkLock
from shortlist.inference.kernel import resolved
from shortlist.inference.linked import in_one_place
from shortlist.inference.models import ModelFolder, find_model
from shortlist.inference.needs import check_needs
from shortlist.inference.onnxruntime import QUANTISED
from shortlist.inference.processor import processor_features, suits_kernel, sums_bytes_in_32_bits
from shortlist.inference.ready_made import Head, misfit
from shortlist.inference.real_texts import real_texts
from shortlist.inference.session import GraphSession, Precision, Session, check_device
from shortlist.inference.stages import Stages
from shortlist.inference.tokens import ModelInput, Tokenizer

# The runtimes of exported graphs, and so of the packaged models. torch runs a folder's own weights instead.
ENGINES: dict[str, tuple[str, str]] = {
    "openvino": ("openvino", "shortlist.inference.openvino:OpenVinoSession"),
    "onnxruntime": ("onnxruntime", "shortlist.inference.onnxruntime:OnnxRuntimeSession"),
}
NATIVE, TORCH = "native", "torch"

Calibrate = Callable[[str, Path], Path]
"""An engine and a graph's file in, out the file of the same graph with int8 products for that engine."""

# OpenVINO makes a kernel for every new shape of a batch, and with lengths of whole vectors its bf16 rounds a row
# the same in any batch; see docs/speed.md, "Few shapes".
_LENGTH_STEP = 16

# A GPU idles on batches that keep a core busy. Not measured: no GPU was at hand. What does not fit is halved.
_GPU_TOKEN_BUDGET = 16 * TOKEN_BUDGET

_EXPORTING = ForkLock()  # whoever asks for the same model meanwhile finds the file


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A running engine with the files it came from."""

    engine: Engine
    folder: ModelFolder
    fingerprint: str


@dataclass(frozen=True, slots=True)
class LoadedStages:
    """A model cut at its exits, running, with the files it came from."""

    stages: Stages
    folder: ModelFolder
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """On what a model is to run: see `load_engine`."""

    engine: str = "auto"
    precision: Precision = Precision.AUTO
    threads: int | None = None
    device: str = "auto"
    trust_remote_code: bool = False

    @classmethod
    def of(
        cls,
        engine: str,
        precision: Precision | str,
        *,
        threads: int | None,
        device: str,
        trust_remote_code: bool = False,
    ) -> Runtime:
        """Check the values that users give; raises InputError that names the wrong one and what is allowed.

        A GPU and a model's own code are torch's alone, so "auto" is "torch" for them.
        """
        try:
            wanted = Precision(precision)
        except ValueError:
            raise InputError(
                f"precision must be one of {', '.join(p.value for p in Precision)}; got {precision!r}"
            ) from None
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, Integral) or threads < 1):
            raise InputError(f"threads must be a whole number from 1; got {threads!r}")
        check_device(device)
        needs_torch = device not in {"auto", "cpu"} or trust_remote_code
        if engine not in {"auto", NATIVE, TORCH, *ENGINES}:
            raise InputError(f"engine must be 'auto' or one of {', '.join([NATIVE, *ENGINES, TORCH])}; got {engine!r}")
        if needs_torch and engine not in {"auto", TORCH}:
            raise InputError(
                f"device={device!r} and trust_remote_code={trust_remote_code} need engine='torch'; got {engine!r}"
            )
        return cls(TORCH if needs_torch else engine, wanted, threads, device, trust_remote_code)


def load_engine(
    name: str,
    *,
    head: Head,
    revision: str | None = None,
    engine: str = "auto",
    precision: Precision | str = Precision.AUTO,
    threads: int | None = None,
    device: str = "auto",
    trust_remote_code: bool = False,
    exact: bool = False,
) -> LoadedModel:
    """Load a model onto a runtime; a folder without an ONNX or OpenVINO file is exported once into the cache.

    `engine="torch"` runs the folder's safetensors with transformers, on `device` ("auto", "cpu", "cuda",
    "cuda:1"), and "auto" does so for a classifier that cannot be exported. `threads` is then torch's own
    setting, for the whole process. `trust_remote_code` lets a model's own Python code run; it is never
    assumed. `exact` gives every sequence a batch of its own, so that its output is the same to the bit whatever it
    comes with, which costs speed (docs/speed.md).
    """
    runtime = Runtime.of(engine, precision, threads=threads, device=device, trust_remote_code=trust_remote_code)
    check_needs(name, engine=runtime.engine)
    folder = find_model(name, revision=revision, with_code=trust_remote_code)
    tokenizer = folder.load_tokenizer()
    weights = folder.fingerprint()
    return loaded_model(tokenizer, _open(runtime, folder, weights, head), folder, weights, exact=exact)


def load_stages(name: str, runtime: Runtime) -> LoadedStages:
    """Load a BERT classifier with exit heads, exported once into the cache with one graph a stage.

    Raises UnsupportedModelError when the model has none, or for engine="torch".
    """
    from shortlist.inference.export.stages import EXIT_HEADS, exit_layers, export_stages

    folder = find_model(name)
    layers = exit_layers(folder.path)
    if not layers or runtime.engine in {NATIVE, TORCH}:
        raise UnsupportedModelError(
            f"{name} cannot be run in stages: that takes {EXIT_HEADS} in its folder (found for layers {layers})"
            f" and an engine of exported graphs, {' or '.join(ENGINES)}; got engine={runtime.engine!r}"
        )
    tokenizer = folder.load_tokenizer()
    weights = folder.fingerprint()
    out = _exports(weights, "stages")
    files = [out / f"stage-{stage}.onnx" for stage in range(len(layers) + 1)]
    with _EXPORTING:
        if not all(file.is_file() for file in files):
            export_stages(folder.path, out)
    sessions: list[GraphSession] = [_on_graph_runtime(runtime, file) for file in files]
    fingerprint = f"{weights}:{sessions[0].engine}:{sessions[0].precision.value}"
    return LoadedStages(Stages(tokenizer, sessions), folder, fingerprint)


def loaded_model(
    tokenizer: Tokenizer, session: Session, folder: ModelFolder, weights: str, *, exact: bool = False
) -> LoadedModel:
    """Put an engine together; `weights` is the folder's fingerprint."""
    budget = _GPU_TOKEN_BUDGET if session.device.startswith("cuda") else TOKEN_BUDGET
    where = "" if session.device == "cpu" else f":{session.device}"
    fingerprint = f"{weights}:{session.engine}:{session.precision.value}{where}" + (":exact" if exact else "")
    step = _LENGTH_STEP if session.engine.startswith("openvino") and folder.max_length % _LENGTH_STEP == 0 else 1
    return LoadedModel(
        Engine(tokenizer, session, token_budget=1 if exact else budget, length_step=step), folder, fingerprint
    )


def available_engines() -> tuple[str, ...]:
    """Name the installed runtimes of exported graphs, the one that "auto" takes first; none of them is loaded.

    OpenVINO comes first where the processor multiplies in bf16, which ONNX Runtime does not
    use. Elsewhere they are equally fast, or ONNX Runtime is a little faster.
    """
    installed = [name for name, (module, _) in ENGINES.items() if importlib.util.find_spec(module) is not None]
    first = "openvino" if processor_features() & {"amx_bf16", "avx512_bf16"} else "onnxruntime"
    return tuple(sorted(installed, key=lambda name: name != first))


def installed_engines() -> tuple[str, ...]:
    """Name every engine that is installed: our kernel, those of exported graphs, then torch with transformers."""
    has_torch = all(importlib.util.find_spec(module) is not None for module in ("torch", "transformers"))
    return (*(NATIVE,) * has_kernel(), *available_engines(), *(TORCH,) * has_torch)


def has_kernel() -> bool:
    """Whether our own kernel is installed; not whether this processor can run it."""
    return importlib.util.find_spec("shortlist_native") is not None


def require_torch(threads: int | None = None) -> None:
    """Import torch and transformers, and set torch's threads; raises MissingExtraError with the install command."""
    torch = require("torch", extra="torch")
    require("transformers", extra="torch")
    if threads is not None:
        torch.set_num_threads(threads)


def _open(runtime: Runtime, folder: ModelFolder, weights: str, head: Head) -> Session:
    if runtime.engine == TORCH:
        return _on_torch(runtime, folder, head)
    is_auto = runtime.engine == "auto"
    if runtime.engine == NATIVE or (is_auto and runtime.precision is Precision.INT16):  # which no other engine has
        return _on_native(runtime, folder, weights, head)
    if is_auto and has_kernel() and suits_kernel(processor_features()):
        with suppress(MissingExtraError, UnsupportedModelError):
            return _on_native(runtime, folder, weights, head)
    try:
        calibrate = functools.partial(_calibrated, folder, weights, head)
        ready_made = _on_ready_made(runtime, folder, weights, head, calibrate)
        return ready_made or _on_graph_runtime(runtime, _exported(folder, weights, head), calibrate)
    except UnsupportedModelError as error:
        if not is_auto or head != "classification":
            raise
        if importlib.util.find_spec("torch") is None:
            raise UnsupportedModelError(f"{error}; or run it with torch: pip install 'shortlist[torch]'") from error
        try:
            return _on_torch(runtime, folder, head)
        except UnsupportedModelError as other:
            raise UnsupportedModelError(f"{other}. Nor can it be exported: {error}") from other


def _on_native(runtime: Runtime, folder: ModelFolder, weights: str, head: Head) -> Session:
    from shortlist.inference.native import NativeSession
    from shortlist.inference.native_weights import LAYOUT, check_modules

    chosen = resolved(runtime.precision)
    check_modules(folder.modules, head)

    def graph() -> Path:
        own = None if any(folder.path.glob("*.safetensors")) else folder.ready_made
        return own or _exported(folder, weights, head)

    return NativeSession.load(
        graph,
        _exports(weights, f"{head}-native-{chosen.value}-{LAYOUT}"),
        config=folder.config,
        head=head,
        calibration=functools.partial(_calibration_inputs, folder, head),
        precision=chosen,
        threads=runtime.threads,
    )


def _on_ready_made(
    runtime: Runtime, folder: ModelFolder, weights: str, head: Head, calibrate: Calibrate
) -> Session | None:
    """Open the graph that the folder holds; None where there is none, or one for something else beside weights."""
    file = folder.ready_made
    if file is None:
        return None
    readers = available_engines() if runtime.engine == "auto" else (runtime.engine,)
    is_foreign = file.suffix == ".xml" and "openvino" not in readers
    if readers[:1] != ("onnxruntime",) or runtime.precision is Precision.INT8:
        file = in_one_place(file, functools.partial(_exports, weights, "graph"))
    session = None if is_foreign else _on_graph_runtime(runtime, file, calibrate)
    wrong = "only OpenVINO reads it" if session is None else misfit(session, head)
    if not wrong:
        return session
    if any(folder.path.glob("*.safetensors")):
        return None
    raise UnsupportedModelError(
        f"{file} is not what is needed here ({head.replace('_', ' ')}): {wrong}; and {folder.name} has no"
        " model.safetensors to make another one from"
    )


def _on_torch(runtime: Runtime, folder: ModelFolder, head: Head) -> Session:
    if head != "classification":
        raise UnsupportedModelError(
            f"{folder.name}: engine='torch' runs neither bi-encoders nor late interaction; use"
            " engine='auto' and device='auto'"
        )
    require_torch(runtime.threads)
    from shortlist.inference.torch_classifier import TorchClassifier

    return TorchClassifier.load(
        folder, precision=runtime.precision, device=runtime.device, trust_remote_code=runtime.trust_remote_code
    )


def _on_graph_runtime(runtime: Runtime, file: Path, calibrate: Calibrate | None = None) -> GraphSession:
    engine = runtime.engine
    if engine == "auto":
        installed = available_engines()
        if not installed:
            raise MissingExtraError("no inference runtime is installed; install one: pip install openvino")
        engine = "openvino" if file.suffix == ".xml" else installed[0]
    if runtime.precision is Precision.INT8 and calibrate is not None:
        file = calibrate(engine, file)
    module, attribute = ENGINES[engine][1].split(":")
    session_class: Any = getattr(importlib.import_module(module), attribute)
    session: GraphSession = session_class.load(file, precision=runtime.precision, threads=runtime.threads)
    return session


def _exported(folder: ModelFolder, weights: str, head: Head) -> Path:
    from shortlist.inference.export import export_onnx

    out = _exports(weights, head)
    with _EXPORTING:
        if not (out / "model.onnx").is_file():
            # fp16 would move logits by some thousandths; weights in a file of their own are mapped, and never copied
            export_onnx(folder.path, out, head=head, weights="float32", largest_single_file=0)
    return out / "model.onnx"


def _calibrated(folder: ModelFolder, weights: str, head: Head, engine: str, file: Path) -> Path:
    """Return the graph with int8 products; for OpenVINO the same one without VNNI or AMX, where bytes can overflow.

    A model that was calibrated when it was trained brings its own for OpenVINO; others are, once, by texts that come
    with shortlist.
    """
    is_exact = sums_bytes_in_32_bits()
    if engine == "openvino":
        if not is_exact:
            return file  # only the weights become int8
        own = folder.path / CALIBRATED
        if own.is_file():
            return own
        out = _exports(weights, f"{head}-int8") / "model.xml"
    else:
        out = _exports(weights, f"{head}-int{8 if is_exact else 7}-onnxruntime") / QUANTISED
    if out.is_file():
        return out
    inputs = _calibration_inputs(folder, head)
    try:
        return write_calibrated(file, inputs, out, pad_id=folder.pad_id)
    except OSError:  # a cache that cannot be written: the next start calibrates again
        return write_calibrated(file, inputs, Path(_scratch().name) / out.parent.name / out.name, pad_id=folder.pad_id)


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes when this process ends."""
    return tempfile.TemporaryDirectory(prefix="shortlist-")


def _calibration_inputs(folder: ModelFolder, head: Head) -> list[ModelInput]:
    """Return pairs, or texts alone, of what comes with shortlist, cut to what the model reads."""
    tokenizer = folder.load_tokenizer()
    queries, passages = map(tokenizer.encode, real_texts())
    if head == "classification":
        template, pairs = tokenizer.pair, [(query, passage) for query in queries for passage in passages]
    else:
        template, pairs = tokenizer.single, [(text, text[:0]) for text in (*queries, *passages)]
    room = folder.max_length - template.overhead
    return [template.build(first[:room], second[: max(0, room - len(first))]) for first, second in pairs]


def _exports(weights: str, what: str) -> Path:
    """Return the folder of what is made of a model: in the cache, or where that takes none, until the process ends."""
    from platformdirs import user_cache_path

    from shortlist.inference.export import EXPORT_VERSION

    name = f"{weights.replace('/', '--')}-{what}-v{EXPORT_VERSION}"
    kept = user_cache_path("shortlist") / "exports" / name
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:  # a disk that is only read, say: the next start makes it again
        return Path(_scratch().name) / name
    return kept
