"""DSPy: a retriever over an index (dspy 3).

    from shortlist.integrations.dspy import ShortlistRetrieve
    passages = ShortlistRetrieve(pipeline, k=3)("how do I sort?").passages

https://dspy.ai/api/modules/Module/
"""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from shortlist._optional import require
from shortlist.integrations.rows import score_of
from shortlist.pipeline import Pipeline
from shortlist.types import Ranking

_dspy = require("dspy", extra="dspy")
_Module: Any = _dspy.Module  # a program that holds one of its own `Retrieve` can be neither saved nor awaited


class ShortlistRetrieve(_Module):
    """Searches an index that `open_pipeline` opened: `passages`, with `places`, `doc_ids` and `scores` beside them.

    Copies of a program, as optimizers make them, share the pipeline.
    """

    def __init__(self, pipeline: Pipeline, *, k: int = 3, depth: int = 100) -> None:
        super().__init__()
        self._pipeline, self.k, self._depth = pipeline, k, depth

    def __deepcopy__(self, memo: object) -> ShortlistRetrieve:
        return copy.copy(self)

    def forward(self, query: str, k: int | None = None) -> Any:
        """Return a prediction with the best `k` passages."""
        return _prediction(self._pipeline.search(query, top_k=self.k if k is None else k, depth=self._depth))

    async def aforward(self, query: str, k: int | None = None) -> Any:
        """Return what `forward` does, without blocking the event loop."""
        top_k = self.k if k is None else k
        return _prediction(await asyncio.to_thread(self._pipeline.search, query, top_k=top_k, depth=self._depth))


def _prediction(ranking: Ranking) -> Any:
    return _dspy.Prediction(
        passages=[document.full_text for document in ranking.documents],
        places=[str(document.place or "") for document in ranking.documents],
        doc_ids=list(ranking.doc_ids),
        scores=[score_of(item) for item in ranking],
    )
