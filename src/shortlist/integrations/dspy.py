"""DSPy: a retriever over an index (dspy 3).

    from shortlist.integrations.dspy import ShortlistRetrieve
    passages = ShortlistRetrieve(pipeline, k=3)("how do I sort?").passages

https://dspy.ai/api/tools/Retrieve/
"""

from __future__ import annotations

from typing import Any

from shortlist._optional import require
from shortlist.pipeline import Pipeline

_dspy = require("dspy", extra="dspy")
_Retrieve: Any = _dspy.Retrieve


class ShortlistRetrieve(_Retrieve):
    """Searches an index that `open_pipeline` opened: `passages`, with `places`, `doc_ids` and `scores` beside them."""

    def __init__(self, pipeline: Pipeline, *, k: int = 3, depth: int = 100) -> None:
        super().__init__(k=k)
        self._pipeline, self._depth = pipeline, depth

    def forward(self, query: str, k: int | None = None, **_: Any) -> Any:
        """Return a prediction with the best `k` passages."""
        ranking = self._pipeline.search(query, top_k=k or self.k, depth=self._depth)
        return _dspy.Prediction(
            passages=[document.full_text for document in ranking.documents],
            places=[str(document.place or "") for document in ranking.documents],
            doc_ids=list(ranking.doc_ids),
            scores=[item.score for item in ranking],
        )
