"""The shape of sentence-transformers' CrossEncoder, so that switching is one import; without torch.

    from shortlist.integrations.sentence_transformers import CrossEncoder
    CrossEncoder("shortlist-l6").rank("how tall?", ["330 m", "of iron"], return_documents=True)

https://sbert.net/docs/package_reference/cross_encoder/cross_encoder.html (version 6). Scores are raw unless an
`activation_fn` is given; tensors are not returned.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shortlist.build.models import load_model
from shortlist.errors import InputError
from shortlist.integrations.rows import pair_scores
from shortlist.settings import DEFAULT_MODEL
from shortlist.types.ranking import descending


class CrossEncoder:
    """Scores pairs of texts; other options of the model are those of `Reranker.load`."""

    def __init__(self, model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL, **options: Any) -> None:
        self._scorer = load_model(model_name_or_path, **options)

    def predict(
        self,
        inputs: Sequence[Any],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Any:
        """Return one score a pair, `[pairs]`, or one score for one pair; a list of numbers without `convert_to_numpy`.

        `batch_size` and `show_progress_bar` are taken and not needed. Raises InputError for what is no pair of texts.
        """
        if convert_to_tensor:
            raise InputError("there is no torch here to make tensors with; take numpy, and torch.from_numpy")
        is_one = bool(len(inputs)) and isinstance(inputs[0], str)
        pairs = [_pair(pair, place) for place, pair in enumerate([inputs] if is_one else inputs)]
        scores = pair_scores(self._scorer, pairs)
        values = scores if activation_fn is None else np.asarray(activation_fn(scores))
        if is_one:
            return values[0]
        return values if convert_to_numpy else values.tolist()

    def rank(
        self, query: str, documents: Sequence[str], top_k: int | None = None, return_documents: bool = False, **how: Any
    ) -> list[dict[str, Any]]:
        """Return `{"corpus_id", "score"}` a document, best first, with its `text` where `return_documents` says so."""
        scores = self.predict([(query, document) for document in documents], **how)
        best = descending(scores)[:top_k] if len(documents) else []
        texts = [{"text": documents[place]} if return_documents else {} for place in best]
        return [{"corpus_id": p, "score": scores[p], **text} for p, text in zip(best, texts, strict=True)]


def _pair(pair: Any, place: int) -> tuple[str, str]:
    if len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise InputError(f"pair {place} is no pair of two texts: {pair!r:.80}")
    return pair[0], pair[1]
