"""text-embeddings-inference's POST /predict for a model of one label: pairs in, a list of one label for each out.

https://github.com/huggingface/text-embeddings-inference/blob/main/router/src/http/types.rs (`PredictInput`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shortlist.wire.reading import At, truth_or_none
from shortlist.wire.tei import read_side

LABEL = "LABEL_0"  # what transformers calls the label of a model that has one, and /info says of ours


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Pairs of query and document to score, in the order in which they are answered.

    `is_batch`: they came in a list of pairs, and not as one pair alone, which is answered by its labels alone.
    """

    pairs: tuple[tuple[str, str], ...]
    is_batch: bool
    raw_scores: bool = False
    truncate: bool | None = None
    truncation_side: str | None = None


def decode_request(body: Any) -> PredictRequest:
    """Read `inputs`, which is a pair of strings or a list of such pairs; a single text has nothing to be ranked for."""
    at = At(body)
    inputs = at["inputs"]
    items = [] if isinstance(inputs.value, str) else list(inputs.items())
    is_batch = bool(items) and isinstance(items[0].value, list)
    return PredictRequest(
        tuple(map(_pair, items)) if is_batch else (_pair(inputs),),
        is_batch,
        truth_or_none(at.get("raw_scores")) or False,
        truth_or_none(at.get("truncate")),
        read_side(at.get("truncation_direction")),
    )


def encode_response(scores: Sequence[float], request: PredictRequest) -> list[Any]:
    """Return the response's body from one score a pair, in the request's order."""
    predictions = [[{"score": score, "label": LABEL}] for score in scores]
    return predictions if request.is_batch else predictions[0]


def _pair(at: At) -> tuple[str, str]:
    is_one = isinstance(at.value, str) or (isinstance(at.value, list) and len(at.value) == 1)
    texts = [] if is_one else [item.text() for item in at.items()]
    if len(texts) != 2:
        raise at.wrong("a pair of query and document, [string, string], which is what a reranker scores")
    return texts[0], texts[1]
