"""The queries on which a system and its baseline differ most, with their passages side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.evaluation.collection import Collection
from shortlist.evaluation.results import Moved, Passage, SystemResult
from shortlist.evaluation.significance import Comparison
from shortlist.types import Document

_EACH_WAY = 3
_PASSAGES = 5
_LETTERS = 280


def most_moved(
    results: Sequence[SystemResult],
    measure: str,
    collection: Collection,
    comparisons: Sequence[Comparison],
) -> tuple[Moved, ...]:
    """Return for every comparison the three largest gains and losses in a measure, largest first."""
    by_name = {result.name: result for result in results}
    texts = {query.query_id: query.text for query in collection.queries}
    moved: list[Moved] = []
    for one in comparisons:
        ours, theirs = by_name[one.system], by_name[one.baseline]
        differences = {q: value - theirs.values[measure][q] for q, value in ours.values[measure].items()}
        for query_id in _extremes(differences):
            judged, documents = collection.qrels[query_id], collection.documents
            first, second = ours.answers[query_id].doc_ids, theirs.answers[query_id].doc_ids
            moved.append(
                Moved(
                    query_id,
                    texts[query_id],
                    one.system,
                    one.baseline,
                    differences[query_id],
                    _passages(first, second, judged, documents),
                    _passages(second, first, judged, documents),
                )
            )
    return tuple(moved)


def _extremes(differences: Mapping[str, float]) -> list[str]:
    falling = sorted(differences, key=differences.__getitem__, reverse=True)
    gains = [query_id for query_id in falling if differences[query_id] > 1e-9][:_EACH_WAY]
    losses = [query_id for query_id in reversed(falling) if differences[query_id] < -1e-9][:_EACH_WAY]
    return gains + losses


def _passages(
    ranked: Sequence[str], other: Sequence[str], judged: Mapping[str, int], documents: Mapping[str, Document]
) -> tuple[Passage, ...]:
    ranks = {doc_id: rank for rank, doc_id in enumerate(other, 1)}
    return tuple(
        Passage(doc_id, _beginning(documents.get(doc_id)), judged.get(doc_id), rank, ranks.get(doc_id))
        for rank, doc_id in enumerate(ranked[:_PASSAGES], 1)
    )


def _beginning(document: Document | None) -> str:
    words = " ".join(document.full_text.split()) if document is not None else ""
    return words if len(words) <= _LETTERS else f"{words[:_LETTERS].rstrip()} ..."
