"""Names and settings become models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Scorer
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.registry import accepted, load_scorer, scorer_kinds
from shortlist.settings import Settings
from shortlist.weights import find_packaged

_OF_CROSS_ENCODERS_ONLY = {"max_length", "long_documents"}


def load_encoder(settings: Settings) -> BiEncoder:
    """Load the bi-encoder that the settings name."""
    return BiEncoder.load(
        settings.encoder, engine=settings.engine, precision=settings.precision, threads=settings.threads or None
    )


def options_of(settings: Settings, kind: str | None, name: str) -> dict[str, Any]:
    """Return those settings that a model takes as options: one that is elsewhere has no threads."""
    options = {
        "engine": settings.engine,
        "precision": settings.precision,
        "threads": settings.threads or None,
        "long_documents": settings.long_documents,
    }
    kind = kind_of(name, kind)
    return options if kind == "blend" else accepted(kind, options)


def split_kind(name: str) -> tuple[str | None, str]:
    """Split `kind:name` where the kind is a registered one; an address or a path stays whole."""
    kind, colon, rest = name.partition(":")
    return (kind, rest) if colon and kind in scorer_kinds() else (None, name)


def kind_of(name: str, kind: str | None) -> str:
    """Return the kind that is given, else what the packaged card says, else "cross-encoder"."""
    packaged = find_packaged(name)
    return kind or (str(packaged.card["kind"]) if packaged is not None else "cross-encoder")


def load_model(name: str, *, kind: str | None = None, encoder: BiEncoder | None = None, **options: Any) -> Scorer:
    """Load a scorer by name; without a `kind` it is what the packaged card says, else a cross-encoder.

    A packaged blend is put together from its parts. `encoder` is used for its bi-encoder
    when it is the same one, so that it is not loaded twice.
    """
    kind = kind_of(name, kind)
    packaged = find_packaged(name)
    if packaged is not None and kind == "blend":
        parts = packaged.card["parts"]
        return Blend([(_part(part, encoder, options), float(part["weight"])) for part in parts])
    return load_scorer(kind, name, **options)


def _part(part: Mapping[str, Any], encoder: BiEncoder | None, options: Mapping[str, Any]) -> Scorer:
    if part["kind"] != "bi-encoder":
        return load_scorer(part["kind"], part["model"], **options)
    if encoder is not None and encoder.fingerprint.startswith(f"{part['model']}@"):
        return Cosine(encoder)
    return Cosine.load(part["model"], **{k: v for k, v in options.items() if k not in _OF_CROSS_ENCODERS_ONLY})
