"""Claims about the quality of a second stage, and about what it costs in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.claims.rows import Claimed, Row, measured, not_measured
from benchmarks.progress import Progress
from shortlist.build.evaluation import evaluate_request
from shortlist.evaluation.measures import parse_measures
from shortlist.evaluation.outcome import per_query
from shortlist.evaluation.report.depths import reranked_at
from shortlist.evaluation.request import Request
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.runs import Run
from shortlist.evaluation.significance import bootstrap_interval

Floats = npt.NDArray[np.float64]

MEASURE = "nDCG@10"
SHORTER = "nDCG@5"
BUDGET_MS = 200.0
RESAMPLES = 2000

_LARGE = "a small model scores at least 4 times the pairs a second of a large one"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: queries of each collection, candidates, and the seed of both draws."""

    queries: int = 50
    depth: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Models:
    """The models under test, as `shortlist evaluate` names them; empty where there is none."""

    cross_encoder: str
    bi_encoder: str
    default: str
    large: str = ""
    listwise: str = ""


def rerank_given(folder: Path, run: str, models: Models, sizes: Sizes, work: Path) -> Evaluation:
    """Rerank a published run by every model; the documents are kept in an index below `work`."""
    first = f"run:{folder / 'candidates' / run}@{sizes.depth}"
    named = {
        "first stage": first,
        "bi-encoder": f"{first} > {models.bi_encoder}[kind=bi-encoder]",
        "cross-encoder": f"{first} > {models.cross_encoder}",
        "default": f"{first} > {models.default}",
        "large": f"{first} > {models.large}" if models.large else "",
    }
    return _evaluated(folder, {name: spec for name, spec in named.items() if spec}, sizes, work)


def rerank_listwise(folder: Path, run: str, models: Models, sizes: Sizes) -> Evaluation:
    """Rerank a published run by the listwise model and by the cross-encoder; no index is needed."""
    first = f"run:{folder / 'candidates' / run}@{sizes.depth}"
    named = {"cross-encoder": models.cross_encoder, "listwise": models.listwise}
    return _evaluated(folder, {name: f"{first} > {model}" for name, model in named.items()}, sizes, None)


def rerank_hybrid(folder: Path, models: Models, sizes: Sizes, work: Path) -> Evaluation:
    """Rerank what hybrid search finds, by the default model."""
    first = f"hybrid@{sizes.depth}"
    return _evaluated(folder, {"hybrid": first, "reranked": f"{first} > {models.default}"}, sizes, work)


def _evaluated(folder: Path, systems: Mapping[str, str], sizes: Sizes, work: Path | None) -> Evaluation:
    progress = Progress(folder.name, sizes.queries or 1, unit="queries")
    request = Request(
        tuple(f"{name} = {spec}" for name, spec in systems.items()),
        (MEASURE, SHORTER),
        collection=str(folder),
        index=str(work / folder.name) if work is not None else "",
        sample=sizes.queries,
        seed=sizes.seed,
        permutations=20_000,
    )
    return evaluate_request(request, watch=lambda done, _: progress.step())


def about_given(found: Evaluation, *, round_trips_ms: Sequence[float], hosted_ms: float) -> Iterator[Row]:
    """Yield the rows that a reranked published run decides."""
    by_name = {system.name: system for system in found.systems}
    cross, bi = by_name["cross-encoder"], by_name["bi-encoder"]
    where = _where(found)
    yield _gain("a cross-encoder ranks better than its bi-encoder", cross, bi, Claimed(0.0), where)
    if "default" in by_name:
        claim = "the default reranker, which sums both, ranks better than the bi-encoder"
        yield _gain(claim, by_name["default"], bi, Claimed(0.0), where)
    yield _slower("a cross-encoder is at least 10 times slower than its bi-encoder", cross, bi, Claimed(10.0), where)
    yield _within_budget("a small cross-encoder reranks 50 candidates in 200 ms (P95) on this processor", cross, where)
    if "large" in by_name:
        large = by_name["large"]
        yield _slower(_LARGE, large, cross, Claimed(4.0), where)
        yield _within_budget("a large cross-encoder does so, too", large, where)
    else:
        yield not_measured(_LARGE, "name one with --large")
    for round_trip in round_trips_ms:
        yield _against_hosted(cross, round_trip, hosted_ms, where)


def about_listwise(found: Evaluation | None, model: str) -> Iterator[Row]:
    """Yield the rows about a listwise model; `found` is None where there is none."""
    better, slower = (f"a listwise language model is {word} a cross-encoder" for word in ("better than", "slower than"))
    if found is None:
        yield from (
            not_measured(claim, "name one with --listwise, as shortlist evaluate does") for claim in (better, slower)
        )
        return
    cross, listwise = found.systems
    where = f"{_where(found)}; {Path(model.partition('[')[0]).name}"
    yield _gain(better, listwise, cross, Claimed(0.0), where)
    yield _slower(slower, listwise, cross, Claimed(1.0), where)


def about_hybrid(found: Evaluation, depths: Sequence[int]) -> Iterator[Row]:
    """Yield the rows about reranking so many of what hybrid search finds, for the first ten and the first five.

    The scores are those given at the largest depth: a pointwise score does not depend on the other candidates.
    """
    hybrid, reranked = found.systems
    for depth in depths:
        at_depth = _at_depth(found, reranked, depth)
        for measure in (MEASURE, SHORTER):
            claim = f"reranking the first {depth} of hybrid search makes the first {measure.partition('@')[2]} better"
            yield _gain(claim, at_depth, hybrid, Claimed(0.0), _where(found), measure)


def _at_depth(found: Evaluation, system: SystemResult, depth: int) -> SystemResult:
    run = Run(system.name, {query_id: reranked_at(one, depth) for query_id, one in system.answers.items()})
    qrels = {query_id: dict(judged) for query_id, judged in found.relevance.items()}
    return replace(system, values=per_query(run, qrels, parse_measures(found.measures)))


def _where(found: Evaluation) -> str:
    about = found.collection
    depth = max(len(answer.candidates) for system in found.systems for answer in system.answers.values())
    return f"{about['name']}, {about['queries']} queries, {depth} candidates"


def _gain(
    claim: str, ours: SystemResult, theirs: SystemResult, claimed: Claimed, where: str, measure: str = MEASURE
) -> Row:
    differences = np.array([value - theirs.values[measure][q] for q, value in ours.values[measure].items()])
    interval = bootstrap_interval(differences)
    how = f"{measure} {ours.mean(measure):.4f} against {theirs.mean(measure):.4f}; {where}"
    return measured(claim, claimed, float(differences.mean()), interval, unit="", how=how)


def _slower(claim: str, slow: SystemResult, fast: SystemResult, claimed: Claimed, where: str) -> Row:
    """Compare the median latencies of the reranking stages alone, queries resampled."""
    pairs = np.array([[_reranking(slow, q), _reranking(fast, q)] for q in slow.answers])  # [queries, 2]
    ratio, interval = _resampled(pairs)
    medians = np.median(pairs, axis=0)
    how = f"median {medians[0]:.0f} against {medians[1]:.1f} ms; {where}"
    return measured(claim, claimed, ratio, interval, unit=" x", how=how)


def _reranking(system: SystemResult, query_id: str) -> float:
    return sum(system.answers[query_id].stage_ms[1:])


def _resampled(pairs: Floats, *, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Return the ratio of the columns' medians with its bootstrap interval."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(pairs), (RESAMPLES, len(pairs)))
    medians = np.median(pairs[picks], axis=1)  # [resamples, 2]
    low, high = np.quantile(medians[:, 0] / medians[:, 1], [0.025, 0.975])
    whole = np.median(pairs, axis=0)
    return float(whole[0] / whole[1]), (float(low), float(high))


def _within_budget(claim: str, system: SystemResult, where: str) -> Row:
    """Count the candidates that would fit into the budget at the 95th percentile of the time a pair takes."""
    per_pair = np.array([_reranking(system, q) / max(1, answer.pairs) for q, answer in system.answers.items()])
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(per_pair), (RESAMPLES, len(per_pair)))
    low, high = np.quantile(BUDGET_MS / np.percentile(per_pair[picks], 95, axis=1), [0.025, 0.975])
    fitting = BUDGET_MS / float(np.percentile(per_pair, 95))
    how = f"{1000 / float(np.median(per_pair)):.0f} pairs/s at the median; {where}"
    return measured(claim, Claimed(50.0), fitting, (float(low), float(high)), unit=" candidates", how=how)


def _against_hosted(system: SystemResult, round_trip_ms: float, hosted_ms: float, where: str) -> Row:
    """Compare the local median with a hosted call: a simulated round trip plus what the service computes."""
    local = np.array([_reranking(system, q) for q in system.answers])
    hosted = round_trip_ms + hosted_ms
    pairs = np.stack([local, np.full(len(local), hosted)], axis=1)
    ratio, interval = _resampled(pairs)
    claim = f"a local small model answers sooner than a hosted one {round_trip_ms:g} ms away"
    how = (
        f"local {np.median(local):.0f} ms, hosted {hosted:.0f} ms: a simulated round trip of {round_trip_ms:g} ms and"
        f" {hosted_ms:g} ms of computing, an assumption; {where}"
    )
    return measured(claim, Claimed(high=1.0), ratio, interval, unit=" x hosted", how=how)
