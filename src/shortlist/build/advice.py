"""A request for advice becomes systems that are asked once, and the advice drawn from their answers."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist import __version__
from shortlist.build.calibration import calibrations_folder
from shortlist.build.collections import Filling, read_collection, read_unjudged
from shortlist.build.evaluation import opened
from shortlist.build.named import pointwise_of
from shortlist.errors import InputError
from shortlist.evaluation.advising import Advice, Asked, Candidate, Mix, judged_advice, unjudged_advice
from shortlist.evaluation.experiment import Watch, about, answer_all, degradations
from shortlist.evaluation.measures import Measure
from shortlist.evaluation.provenance import provenance
from shortlist.evaluation.qrels import Qrels
from shortlist.evaluation.request import Request
from shortlist.evaluation.systems import Answer, Answered, System, typical
from shortlist.evaluation.trec import measured
from shortlist.inference.cores import usable_cores
from shortlist.pipeline.fused import fit_weight
from shortlist.planning.cost import CostModel
from shortlist.planning.machine import Machine
from shortlist.planning.store import find
from shortlist.types import Document, Query, Ranking, ScoreKind

_PROPORTIONAL = "its latency at smaller depths is in proportion to the candidates; `shortlist calibrate` knows better"
_FIRST = "first stage"


def advice_for(
    request: Request,
    asked: Asked,
    *,
    command: str = "",
    watch: Watch | None = None,
    filling: Filling | None = None,
) -> Advice:
    """Ask the request's systems and advise; the first one is the first stage, the others rerank what it finds.

    Every model scores once, at the full depth. Without qrels, the advice is only about
    what changes. Raises what `opened` raises, and InputError for fewer than two systems or queries, and where
    the first stage finds nothing at all.
    """
    is_judged = bool(request.qrels or request.collection)
    collection = read_collection(request) if is_judged else read_unjudged(request)
    if len(collection.queries) < 2 or len(request.systems) < 2:
        raise InputError("advice takes at least two queries, a first stage and a model to compare it with")
    origin = provenance(command, shortlist=__version__)  # first: it holds the load of the machine before this run
    with opened(request, collection=collection, filling=filling) as ready:
        collection = ready.collection  # which tells of judgements that the index lacks, too
        found = answer_all(collection.queries, ready.systems, watch)
        first, *models = ready.systems
        if not any(one.ranking for one in found[first.name].values()):
            raise InputError(f"{first.name} found nothing for any of the {len(collection.queries)} queries")
        answered = {name: {q: one.answered for q, one in answers.items()} for name, answers in found.items()}
        notes = [f"{first.name}: {note}" for note in first.notes]
        candidates = []
        for system in models:
            cost = _cost_of(system, request.threads)
            one = _candidate(system, found[system.name], answered[system.name], cost)
            candidates.append(one)
            notes += [f"{one.name}: {note}" for note in degradations(answered[system.name])]
            if is_judged and cost is None and len(one.depths) > 1:  # what changes is told without latencies
                notes.append(f"{one.name}: {_PROPORTIONAL}")
        told = {
            "collection": about(collection),
            "provenance": origin,
            "first_stage": first.name,
            "notes": (*collection.notes, *notes),
        }
        if not is_judged:
            return unjudged_advice(answered[first.name], candidates, asked, about=told)
        qrels = collection.qrels
        mixes = [_mix(one, answered[first.name], qrels, asked) for one in candidates if one.is_pointwise]
        return judged_advice(answered[first.name], candidates, qrels, asked, mixes=mixes, about=told)


def _model_of(system: System) -> str:
    return system.name.partition(" > ")[2] or system.name


def _mix(one: Candidate, first: Mapping[str, Answered], qrels: Qrels, asked: Asked) -> Mix:
    """Fit how much of the first stage's score to keep; the values are of weights chosen on other queries."""
    ndcg = Measure("nDCG", asked.passages)
    rankings = [_both(query_id, first[query_id], answer) for query_id, answer in one.answers.items()]

    def value(ranking: Ranking) -> float:
        return measured(ndcg, ranking.doc_ids, qrels[ranking.query.query_id])

    fit = fit_weight(rankings, value, first_stage=_FIRST)
    return Mix(one.name, fit.weight, dict(zip(one.answers, fit.held_out, strict=True)))


def _both(query_id: str, first: Answered, reranked: Answered) -> Ranking:
    """Return a ranking with the scores of both stages, from answers that hold them apart."""
    after = dict(zip(reranked.doc_ids, reranked.scores, strict=False))
    documents = [Document("", doc_id) for doc_id in first.doc_ids]
    candidates = Ranking.from_scores(
        Query(query_id, query_id), documents, first.scores, kind=ScoreKind.UNKNOWN, stage=_FIRST
    )
    places = [place for place, doc_id in enumerate(candidates.doc_ids) if doc_id in after]
    values = [after[candidates[place].doc_id] for place in places]
    return candidates.partly_reordered(values, kind=ScoreKind.UNKNOWN, stage="reranker", places=places)


def _candidate(
    system: System, found: Mapping[str, Answer], answers: Mapping[str, Answered], cost: CostModel | None
) -> Candidate:
    pairs = max(1, sum(answer.pairs for answer in answers.values()))
    tokens = max(1, round(sum(answer.tokens for answer in answers.values()) / pairs))

    def share_of(depth: int, deepest: int) -> float:
        if cost is None:
            return depth / deepest
        return cost.p50_ms([tokens] * depth) / cost.p50_ms([tokens] * deepest)

    kind = typical(found.values()).score_kind
    return Candidate.of(_model_of(system), answers, score_kind=kind.value, share_of=share_of)


def _cost_of(system: System, threads: int) -> CostModel | None:
    """Return what was calibrated for a system's only model on this machine as it is now, if anything was."""
    reading = pointwise_of(system.stages[-1].reranker) if len(system.stages) == 1 else None
    if reading is None:  # it gives an order only, so nothing could be calibrated
        return None
    record = find(calibrations_folder(), fingerprint=reading.scorer.fingerprint, threads=threads or usable_cores())
    if record is None or record.staleness(Machine.here()):
        return None
    return record.stored or record.cost  # what a bi-encoder reads comes from an index
