"""A model folder becomes a transformers model with all of its weights, and no code of its own unless asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from transformers.utils import logging

from shortlist.errors import CorruptModelError, ModelNotFoundError, UnsupportedModelError
from shortlist.inference.models import ModelFolder
from shortlist.inference.torch_device import Placement, memory_errors

_QUIET = threading.Lock()


_CLASSIFIER = "ForSequenceClassification"


def load_pretrained(
    folder: ModelFolder,
    *,
    suffix: str,
    placement: Placement,
    trust_remote_code: bool = False,
    config: Any = None,
    model_class: Any = None,
) -> Any:
    """Load the class that `architectures` names and that ends in `suffix`, in evaluation mode, on its device.

    Attention is SDPA where the model supports it. Files are local; nothing is fetched. `config` and
    `model_class` stand in for what the folder declares. Raises ModelNotFoundError without
    weights, CorruptModelError when weights are damaged or some are absent (transformers
    would make them up), UnsupportedModelError for another architecture and for a model's
    own code, unless `trust_remote_code`.
    """
    if folder.ready_made is not None and not any(folder.path.glob("*.safetensors")):
        raise UnsupportedModelError(
            f"{folder.name} comes as {folder.ready_made.name} only, and engine='torch' needs model.safetensors;"
            " use engine='auto'"
        )
    chosen = model_class or _class_of(folder, suffix, trust_remote_code)
    options = {"config": config} if config is not None else {"trust_remote_code": trust_remote_code}
    try:
        with _quietly():
            model, report = chosen.from_pretrained(
                folder.path, dtype=placement.dtype, local_files_only=True, output_loading_info=True, **options
            )
    except OSError as error:
        raise ModelNotFoundError(
            f"{folder.name}: no weights that torch can load ({str(error).splitlines()[0]});"
            " engine='torch' needs model.safetensors beside config.json"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise CorruptModelError(f"{folder.name}: transformers cannot load the weights: {error}") from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":  # its class is not part of the public names
            raise
        raise CorruptModelError(f"{folder.name}: the weights are damaged ({error}); fetch the model again") from error
    absent = sorted({*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])})
    if absent:
        raise CorruptModelError(
            f"{folder.name}: {len(absent)} weights are absent or of another shape ({', '.join(absent[:3])});"
            f" the checkpoint is no trained {type(model).__name__}"
        )
    with memory_errors():
        return model.to(placement.device).eval()


def engine_name() -> str:
    """Name the runtime with its version."""
    return f"torch {torch.__version__}"


def _class_of(folder: ModelFolder, suffix: str, trust_remote_code: bool) -> Any:
    named = folder.config.get("architectures") or []
    name = next((one for one in named if isinstance(one, str) and one.endswith(suffix)), None)
    if name is None:
        raise UnsupportedModelError(
            f"{folder.name}: architectures={named!r:.200}, but a *{suffix} is needed; another kind may run it"
        )
    if folder.config.get("auto_map"):  # a known name may stand for other code: Jina's XLM-R
        if trust_remote_code:
            return getattr(transformers, f"AutoModel{suffix}")
        hint = "; read it, and pass trust_remote_code=True if you trust it" if suffix == _CLASSIFIER else ""
        raise UnsupportedModelError(f"{folder.name}: the code of {name} comes with the model and is not run{hint}")
    found = getattr(transformers, name, None)
    if found is None:
        raise UnsupportedModelError(
            f"{folder.name}: transformers {transformers.__version__} has no {name}; it cannot be run here"
        )
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off stderr; what matters in them becomes an error."""
    with _QUIET:
        bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
