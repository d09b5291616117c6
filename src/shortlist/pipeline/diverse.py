"""The top of a ranking with little that repeats: maximal marginal relevance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real

import numpy as np

from shortlist.errors import InputError, ScoreError
from shortlist.protocols import CuttingEncoder, Encoder, Role, Vectors
from shortlist.retrieval.fusion import min_max
from shortlist.scorers.cosine import cosines
from shortlist.types import Document, DocumentVector, Ranking, Step, monotonic_ms
from shortlist.types.ranking import check_top_k

STAGE = "diversity"


def diversified(ranking: Ranking, diversity: float, *, top_k: int | None = None) -> Ranking:
    """Put documents first that are relevant and unlike those before them; return all, or the first `top_k`.

    The next one is always that of the highest (1 - `diversity`) x relevance - `diversity` x cosine to the most alike
    of those before it (maximal marginal relevance, Carbonell & Goldstein 1998, whose lambda is 1 - `diversity`). Equal
    ones keep their order, the best stays first, and 0 changes nothing. Relevance is the score, brought to 0..1 over
    the documents of this ranking that have one, so that any model's can stand beside a cosine; give the whole ranking
    then, not its first few. The scores themselves stand, and the history says where each document stood by them.

    Vectors are the documents' own, as an index or `with_vectors` gives them. Where one is missing the order stands, and
    the trace says so. Documents that were not scored stay behind. Raises InputError for a `diversity` outside of 0..1,
    or a `top_k` below 1.
    """
    check_top_k(top_k)
    if not check_diversity(diversity) or not len(ranking):
        return ranking.head(top_k)
    began = monotonic_ms()
    scored = [place for place, item in enumerate(ranking) if item.is_scored]
    vectors = _stored([ranking[place].document for place in scored])
    counts, facts = {"documents": len(ranking), "scored": len(scored)}, {"diversity": f"{diversity:g}"}
    if not scored or vectors is None:
        why = "not every document has a vector of one encoder" if scored else "no document was scored"
        return ranking.head(top_k).traced(Step(STAGE, 0.0, counts, facts, (f"not applied: {why}",)))
    relevance = min_max([ranking[place].score for place in scored])
    chosen = by_marginal_relevance(relevance, vectors, diversity=diversity, top_k=top_k)
    unscored = [place for place, item in enumerate(ranking) if not item.is_scored]
    places = [*(scored[place] for place in chosen), *unscored][:top_k]
    step = Step(STAGE, monotonic_ms() - began, counts, facts)
    return ranking.rearranged(places, stage=STAGE, steps=(step,))


def by_marginal_relevance(
    relevance: Sequence[float], vectors: Vectors, *, diversity: float, top_k: int | None = None
) -> list[int]:
    """Return places in the order of `diversified`, from relevances and unit vectors `[documents, dimension]`."""
    worth = (1 - diversity) * np.asarray(relevance, np.float64)  # [documents]
    alike = np.full(len(worth), -1.0)  # the highest cosine to one that was chosen
    chosen: list[int] = []
    for _ in range(len(worth) if top_k is None else min(top_k, len(worth))):
        place = int(np.argmax(worth - diversity * alike))
        chosen.append(place)
        worth[place] = -np.inf
        np.maximum(alike, cosines(vectors, vectors[place]), out=alike)
    return chosen


def with_vectors(candidates: Ranking, encoder: Encoder) -> Ranking:
    """Give the documents vectors of `encoder` where they have none of its own; a blend with that encoder takes these.

    The trace counts what was encoded, and says what the encoder did not read to its end.
    Raises ScoreError for a vector that is not finite.
    """
    began = monotonic_ms()
    known = encoder.fingerprint
    missing = [d for d in candidates.documents if d.vector is None or d.vector.encoder != known]
    made = encoder.encode([document.full_text for document in missing], role=Role.DOCUMENT)  # [missing, dimension]
    if not np.isfinite(made).all():
        raise ScoreError(f"{known} gave a vector that is not finite; the model or its precision cannot be trusted")
    fresh = {
        id(document): replace(document, vector=DocumentVector(known, vector))
        for document, vector in zip(missing, made, strict=True)
    }
    items = tuple(replace(item, document=fresh.get(id(item.document), item.document)) for item in candidates)
    counts = {"documents": len(candidates), "encoded": len(missing)}
    cut = encoder.document_cuts(missing) if isinstance(encoder, CuttingEncoder) else []
    notes = (f"{len(cut)} texts cut by the bi-encoder at {cut[0].seen} tokens",) if cut else ()
    step = Step("vectors", monotonic_ms() - began, counts, {"encoder": known}, notes, tuple(cut))
    return replace(candidates, items=items, trace=candidates.trace.then(step))


def check_diversity(diversity: float) -> float:
    """Return it as it is; raises InputError for one outside of 0..1."""
    if not isinstance(diversity, Real) or not 0 <= diversity <= 1:
        raise InputError(f"diversity must be a number within 0..1, got {diversity!r}; 0 is relevance alone")
    return diversity


def _stored(documents: Sequence[Document]) -> Vectors | None:
    """Return the documents' vectors `[documents, dimension]`, or None where they have not all one of one encoder."""
    vectors = [document.vector for document in documents if document.vector is not None]
    if len(vectors) < len(documents) or len({vector.encoder for vector in vectors}) > 1:
        return None
    return np.stack([vector.values for vector in vectors]) if vectors else None
