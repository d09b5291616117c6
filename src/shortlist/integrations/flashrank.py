"""The shape of FlashRank 0.2, so that switching is one import.

    from shortlist.integrations.flashrank import Ranker, RerankRequest
    Ranker().rerank(RerankRequest(query="how tall?", passages=[{"id": 1, "text": "330 m", "meta": {}}]))

https://github.com/PrithivirajDamodaran/FlashRank. The passages that came are not changed; scores are raw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shortlist.build.reranker import Reranker
from shortlist.errors import InputError
from shortlist.integrations.rows import reranked
from shortlist.settings import DEFAULT_MODEL


@dataclass(slots=True)
class RerankRequest:
    """A query with passages: mappings with `text`, and whatever else."""

    query: str | None = None
    passages: Sequence[Mapping[str, Any]] = field(default_factory=list)


class Ranker:
    """Reranks requests; `model_name` is one of ours, or of the hub, and is loaded at once.

    Other options are those of `Reranker.load`. `cache_dir` and `log_level` are taken and not needed.
    """

    def __init__(
        self,
        model_name: str = DEFAULT_MODEL,
        cache_dir: str | None = None,
        max_length: int | None = None,
        log_level: str = "INFO",
        **options: Any,
    ) -> None:
        if max_length is not None:
            options["max_length"] = max_length
        self._reranker = Reranker.load(model_name, **options)

    def rerank(self, request: RerankRequest) -> list[dict[str, Any]]:
        """Return a copy of every passage, best first, with its `score`. Raises InputError for one without a text."""
        texts = [passage.get("text") for passage in request.passages]
        bad = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if bad is not None:
            raise InputError(f"passage {bad} has no string 'text'; it has {sorted(map(str, request.passages[bad]))}")
        rows = reranked(self._reranker, request.query or "", [text for text in texts if isinstance(text, str)])
        return [{**request.passages[row], "score": score} for row, score in rows]
