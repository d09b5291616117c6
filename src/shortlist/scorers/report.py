"""The step of a scorer that runs a transformer: what it read, on what, and what it cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.inference.engine import Engine
from shortlist.passages.windows import LongDocuments
from shortlist.types import Document, Step, Truncation, monotonic_ms


def inference_step(
    stage: str,
    *,
    began: float,
    documents: Sequence[Document],
    counts: Mapping[str, int],
    engine: Engine,
    facts: Mapping[str, str],
    degradations: Sequence[str],
    cut: tuple[Truncation, ...],
    long_documents: LongDocuments,
) -> Step:
    """Put a step together; `began` is of `monotonic_ms`, `counts` and `facts` come beside the usual ones."""
    notes = list(empty_notes(documents))
    if cut:
        longest = max(cut, key=lambda t: t.total)
        notes.append(
            f"{len(cut)} texts cut ({long_documents.value}); the longest is {longest.doc_id}: {longest.extent}"
        )
    return Step(
        stage,
        monotonic_ms() - began,
        {"documents": len(documents), **counts},
        {**facts, **engine.facts},
        (*notes, *degradations),
        cut,
    )


def empty_notes(documents: Sequence[Document]) -> tuple[str, ...]:
    """Return what a step says of documents without a text; nothing when there are none."""
    empty = sum(not document.full_text.strip() for document in documents)
    return (f"{empty} documents are empty",) if empty else ()
