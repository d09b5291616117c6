"""How commands print: tables and JSON to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from shortlist.types import Ranking, ScoredDocument

# all control characters but tab and line break: a document must not steer the terminal that shows it
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


# rich's yellow cannot be read on white, nor its dim on black
_READABLE = Theme({"progress.elapsed": "none"})


def console() -> Console:
    """Return the console of stdout; what it prints is no markup, and `:key:` stays as it is."""
    return Console(highlight=False, markup=False, emoji=False)


def errors_console() -> Console:
    """Return the console of stderr, alike."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, theme=_READABLE)


def shown(text: str) -> str:
    """Return text for a terminal, its control characters replaced by U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def print_text(screen: Console, text: str, *, margin: int = 0) -> None:
    """Print prose: a terminal's long lines are broken between words, those of a pipe or file stay whole."""
    lines = Text(shown(text)).wrap(screen, screen.width - margin) if screen.is_terminal else shown(text).splitlines()
    for line in lines:
        screen.print(f"{' ' * margin}{line}".rstrip(), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON value; text that is no valid Unicode is replaced, and NaN and infinity become null."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False)
    except ValueError:  # metadata may hold them: Python reads NaN, and 1e999 as infinity
        text = json.dumps(_finite(value), ensure_ascii=False, indent=2, default=str)
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """Return a ranking as plain JSON values, trace included."""
    return {
        "query": ranking.query.text,
        "score_kind": ranking.score_kind.value,
        "stage": ranking.stage,
        "partial": ranking.is_partial,
        "unscored": ranking.unscored,
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
        "score": item.score if item.is_scored else None,
        "text": document.text,
        "title": document.title,
        "metadata": dict(document.metadata),
        "place": None if place is None else asdict(place),
        "history": [{"stage": s.stage, "rank": s.rank, "score": s.score} for s in item.history],
    }


def score_text(item: ScoredDocument, *, digits: int) -> str:
    """Return a score for people; a dash where the reranker did not come to the document."""
    return f"{item.score:.{digits}f}" if item.is_scored else "-"


def print_notes(notes: Iterable[str]) -> None:
    """Say on stderr what the reader must know."""
    for note in notes:
        print_text(errors_console(), f"note: {note}")


def print_degradations(ranking: Ranking) -> None:
    """Say on stderr what was truncated, skipped or fell back."""
    print_notes(ranking.trace.degradations)
