"""What the tools of the MCP server tell an agent: less than `--json`, since an agent pays for every word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shortlist.build.asking import Asked
from shortlist.integrations.rows import score_of
from shortlist.types import Ranking


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """Return a ranking as plain JSON values."""
    return {
        "results": [
            {
                "rank": item.rank,
                "doc_id": item.doc_id,
                "score": score_of(item),
                "place": str(item.document.place or ""),
                "title": item.document.title,
                "text": item.document.text,
            }
            for item in ranking
        ],
        "score_kind": ranking.score_kind.value,
        "notes": list(ranking.trace.degradations),
    }


def asked_json(told: Asked) -> dict[str, Any]:
    """Return an asked question as plain JSON values."""
    answer = told.answer
    return {
        "found": told.is_found,
        "chance": told.chance,
        "floor": told.floor,
        "answer": None if answer is None else answer.text,
        "unsupported": [] if answer is None else _unsupported(answer.sentences),
        "context": told.context.text if told.is_found else "",
        "citations": {str(passage.mark): str(passage.document.place or "") for passage in told.context.passages},
        "notes": list(told.notes),
    }


def _unsupported(sentences: Sequence[Any]) -> list[str]:
    return [f"{sentence.text} ({', '.join(sentence.notes)})" for sentence in sentences if sentence.notes]
