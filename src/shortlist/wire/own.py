"""Our own POST /shortlist/v1/rerank: ids and metadata come back, a budget, a threshold, explanations, the trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shortlist.types import Ranking, ScoredDocument, ScoreKind
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, truth_or_none, whole_or_none
from shortlist.wire.values import LEAST_URGENT

_DOCUMENT = ("id", "text", "title", "metadata")
_KNOWN = (
    "query",
    "documents",
    "model",
    "top_k",
    "budget_ms",
    "min_score",
    "score_kind",
    "return_documents",
    "explain",
    "truncate",
    "max_document_tokens",
    "priority",
    "stream",
)

MOST_EXPLAINED = 10


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A document as it came: its id is its place, from 0, when it has none."""

    doc_id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A request in our own format; `explain` is how many of the first results are to be explained."""

    query: str
    documents: tuple[OwnDocument, ...]
    model: str = ""
    top_k: int | None = None
    budget_ms: float | None = None
    min_score: float | None = None
    score_kind: ScoreKind | None = None
    returns_documents: bool = False
    explain: int = 0
    truncate: bool = True
    max_document_tokens: int | None = None
    priority: int = 0
    is_streamed: bool = False


def decode_request(body: Any) -> OwnRequest:
    """Read a request's body; a field that is none of the format's is refused. Raises WireError that names the path."""
    at = At(body).only(_KNOWN)
    documents = tuple(_document(item, place) for place, item in enumerate(at["documents"].items()))
    if not documents:
        raise at["documents"].wrong("at least one document")
    truncate = truth_or_none(at.get("truncate"))
    return OwnRequest(
        at["query"].text(),
        documents,
        model=text_or(at.get("model")),
        top_k=whole_or_none(at.get("top_k"), least=1),
        budget_ms=number_or_none(at.get("budget_ms")),
        min_score=number_or_none(at.get("min_score")),
        score_kind=_kind(at.get("score_kind")),
        returns_documents=truth_or_none(at.get("return_documents")) or False,
        explain=_explained(at.get("explain")),
        truncate=True if truncate is None else truncate,
        max_document_tokens=whole_or_none(at.get("max_document_tokens"), least=1),
        priority=whole_or_none(at.get("priority"), most=LEAST_URGENT) or 0,
        is_streamed=truth_or_none(at.get("stream")) or False,
    )


def _kind(at: At | None) -> ScoreKind | None:
    if at is None:
        return None
    found = next((kind for kind in ScoreKind if kind.value == at.value), None)
    if found is None:
        raise at.wrong(f"one of {', '.join(repr(kind.value) for kind in ScoreKind)}")
    return found


def _explained(at: At | None) -> int:
    asked = whole_or_none(at) or 0
    if at is not None and asked > MOST_EXPLAINED:
        raise at.wrong(f"at most {MOST_EXPLAINED} results to explain")
    return asked


def number_or_none(at: At | None) -> float | None:
    """Return the number at an optional place."""
    return None if at is None else at.number()


def read_id(at: At | None) -> str:
    """Return the string at an optional place, or the whole number, which is written out."""
    value = "" if at is None else at.value
    if at is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise at.wrong("a string or a whole number")
    return str(value)


def read_documents(documents: At) -> tuple[OwnDocument, ...]:
    """Read documents that must have an id, for an index."""
    found = tuple(_document(item, place) for place, item in enumerate(documents.items()))
    for item in documents.items():
        if not read_id(item["id"]):
            raise item["id"].wrong("a string that is not empty")
    return found


def encode_ranking(ranking: Ranking, documents: tuple[OwnDocument, ...], *, returns_documents: bool) -> dict[str, Any]:
    """Return a ranking whose doc_ids are places in `documents`."""

    def shown(item: ScoredDocument) -> dict[str, Any]:
        document = documents[int(item.doc_id)]
        text = said(title=document.title) | {"text": document.text}
        return {
            "index": int(item.doc_id),
            "id": document.doc_id,
            "before": {"rank": int(item.doc_id) + 1},
            **said(metadata=document.metadata, document=text if returns_documents else None),
        }

    return encode_results(ranking, shown)


def encode_results(ranking: Ranking, shown: Callable[[ScoredDocument], dict[str, Any]]) -> dict[str, Any]:
    """Return a ranking with what `shown` says of each document; what was not scored has null for a score."""
    cut = {one.doc_id: {"seen": one.seen, "total": one.total} for s in ranking.trace.steps for one in s.truncations}
    results = [
        {
            "rank": item.rank,
            "score": item.score if item.is_scored else None,
            **shown(item),
            **said(truncated=cut.get(item.doc_id)),
        }
        for item in ranking
    ]
    return {
        "score_kind": ranking.score_kind.value,
        "partial": ranking.is_partial,
        "unscored": ranking.unscored,
        "results": results,
        "degradations": list(ranking.trace.degradations),
        "trace": [step.to_dict() for step in ranking.trace.steps],
    }


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(HTTP_STATUS[fault], {"error": {"kind": fault.value, "message": message}})


def _document(item: At, place: int) -> OwnDocument:
    if isinstance(item.value, str):
        return OwnDocument(str(place), item.value)
    item.only(_DOCUMENT)
    metadata = item.get("metadata")
    if metadata is not None and not metadata.is_object():
        raise metadata.wrong("an object")
    return OwnDocument(
        read_id(item.get("id")) or str(place),
        item["text"].text(),
        text_or(item.get("title")),
        None if metadata is None else metadata.value,
    )
