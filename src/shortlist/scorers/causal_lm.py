"""Causal language models as rerankers: the logits of an answer, or a layer's score head, at the last position."""

from __future__ import annotations

from shortlist.errors import InputError
from shortlist.inference.load import Runtime
from shortlist.inference.load_language import load_causal
from shortlist.inference.session import Precision
from shortlist.passages.windows import LongDocuments
from shortlist.scorers.prompted import Prompted
from shortlist.scorers.templates import PairTemplate, causal_template


def load_causal_lm(
    name: str,
    *,
    template: str | PairTemplate | None = None,
    instruction: str | None = None,
    cutoff_layer: int | None = None,
    revision: str | None = None,
    engine: str = "auto",
    precision: Precision | str = Precision.AUTO,
    threads: int | None = None,
    device: str = "auto",
    max_length: int | None = None,
    long_documents: LongDocuments | str = LongDocuments.HEAD,
) -> Prompted:
    """Load a folder or a hub repository with one of the templates "qwen3", "bge-gemma", "mxbai-v2", "bge-layerwise".

    A template is never guessed. `instruction` replaces the template's own. `cutoff_layer` chooses among
    the score heads of a model that has one a layer (bge-layerwise), counted from 1; layers behind it are not
    loaded. `max_length` counts the template's tokens too, and may only lower the limits of model and template.
    Runs on torch: `device` is "auto", "cpu", "cuda" or "cuda:1". Raises InputError, ModelNotFoundError,
    CorruptModelError, UnsupportedModelError or MissingExtraError, each saying what to do.
    """
    chosen = causal_template(template)
    if cutoff_layer is not None and chosen.cutoff_layer is None:
        raise InputError(f"template {chosen.name!r} has no score heads by layer, so cutoff_layer must be left out")
    model = load_causal(
        name,
        Runtime.of(engine, precision, threads=threads, device=device),
        answers=chosen.answers,
        cutoff_layer=chosen.cutoff_layer if cutoff_layer is None else cutoff_layer,
        revision=revision,
    )
    return Prompted.of(
        "causal-lm", model, chosen, instruction=instruction, max_length=max_length, long_documents=long_documents
    )
