"""How commands print: tables and JSON to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from shortlist.types import Ranking, ScoredDocument


def console() -> Console:
    """Return the console of stdout."""
    return Console(highlight=False)


def errors_console() -> Console:
    """Return the console of stderr."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON value; text that is no valid Unicode is replaced."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """Return a ranking as plain JSON values, trace included."""
    return {
        "query": ranking.query.text,
        "score_kind": ranking.score_kind.value,
        "stage": ranking.stage,
        "results": [_item_json(item) for item in ranking],
        "latency_ms": round(ranking.trace.latency_ms, 3),
        "degradations": list(ranking.trace.degradations),
        "trace": [step.to_dict() for step in ranking.trace.steps],
    }


def _item_json(item: ScoredDocument) -> dict[str, Any]:
    document = item.document
    place = document.place
    return {
        "rank": item.rank,
        "doc_id": document.doc_id,
        "score": item.score,
        "text": document.text,
        "title": document.title,
        "metadata": dict(document.metadata),
        "place": None
        if place is None
        else {
            "path": place.path,
            "first_line": place.first_line,
            "last_line": place.last_line,
            "heading": place.heading,
        },
        "history": [{"stage": s.stage, "rank": s.rank, "score": s.score} for s in item.history],
    }


def print_degradations(ranking: Ranking) -> None:
    """Say on stderr what was truncated, skipped or fell back."""
    for text in ranking.trace.degradations:
        errors_console().print(f"note: {text}", markup=False, soft_wrap=True)
