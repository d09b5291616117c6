"""The same cross-encoder on every installed engine, in every precision that it can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.progress import tell
from shortlist.errors import InputError, MissingExtraError, UnsupportedModelError
from shortlist.inference.load import ENGINES, available_engines, installed_engines
from shortlist.inference.session import Precision
from shortlist.scorers.cross_encoder import CrossEncoder

PRECISIONS = (Precision.FP32, Precision.BF16, Precision.INT16, Precision.INT8)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cross-encoder by the name `engine precision`."""

    name: str
    scorer: CrossEncoder


def load_variants(
    model: str, *, engines: Sequence[str] | None = None, precisions: Sequence[Precision] = PRECISIONS
) -> tuple[list[Loaded], dict[str, str]]:
    """Load the model in every way, or on some `engines`; also return what cannot run here, with the reason.

    torch runs a folder with safetensors only, and bf16 on any processor, if slowly where that is emulated.
    """
    loaded: list[Loaded] = []
    skipped = {engine: "not installed" for engine in ENGINES if engine not in available_engines()}
    for engine in engines or installed_engines():
        for precision in precisions:
            name = f"{engine} {precision.value}"
            try:
                loaded.append(Loaded(name, CrossEncoder.load(model, engine=engine, precision=precision)))
            except (UnsupportedModelError, MissingExtraError) as error:
                skipped[name] = str(error)
                tell(f"skipped {name}: {error}")
    if not loaded:
        raise InputError(f"{model} runs on no engine here: {skipped}")
    return loaded, skipped
