"""Whether a graph that came with a model computes what is asked of it, by the names and shapes of its ports."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from shortlist.inference.batches import Batch
from shortlist.inference.session import GraphSession

Head = Literal["classification", "mean_pooling", "token_embeddings"]

_FED = {field.name for field in fields(Batch)}
_LARGEST_HEAD = 2  # labels of a cross-encoder; a vector has more dimensions


def misfit(session: GraphSession, head: Head) -> str:
    """Return in words why a graph is not to be used for `head`; empty when it is.

    A hub's graph is often the encoder alone, whose hidden states are no logits, no pooled vector, and not what
    ColBERT projects. Logits and a text's only vector are told by their shape; vectors of tokens are taken only
    under the name that our own export gives, since no shape shows whether they are projected and scaled.
    """
    if unknown := sorted(set(session.inputs) - _FED):
        return f"it wants the inputs {', '.join(unknown)}"
    name, shape = next(iter(session.outputs.items()))
    if head == "classification":
        is_right = len(shape) == 2 and (shape[1] is None or shape[1] <= _LARGEST_HEAD)
    elif head == "mean_pooling":
        is_right = len(session.outputs) == 1 and len(shape) == 2
    else:
        is_right = list(session.outputs) == ["token_embeddings"] and len(shape) == 3
    return "" if is_right else f"its output is {name} {['any' if size is None else size for size in shape]}"
