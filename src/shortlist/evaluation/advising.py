"""What reranking is worth on a collection, drawn from the answers of systems that were asked once, at full depth."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shortlist.evaluation.measures import Measure
from shortlist.evaluation.outcome import mean, per_query
from shortlist.evaluation.qrels import Qrels
from shortlist.evaluation.report.depths import reranked_at
from shortlist.evaluation.runs import Run
from shortlist.evaluation.significance import bootstrap_interval, caution, holm, randomisation_p
from shortlist.evaluation.spec import parse_system
from shortlist.evaluation.systems import POINTWISE, Answered
from shortlist.evaluation.trec import by_grade
from shortlist.gating.advice import Gain, Measured, ModelAdvice, Statistics, Values, advise, gains_by_passages, verdict
from shortlist.gating.disagreement import Changes, changes, weak_verdict

DEPTHS = (5, 10, 20, 30, 50, 75, 100, 150, 200)
PASSAGES = (3, 5, 10, 30)  # how many a generator may take
Orders = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model with its answers to every query, the depths at which its orders are known, and what each takes in ms.

    The last depth is the one at which it was asked. Of one pointwise model, orders at others follow from its scores.
    """

    name: str
    answers: Mapping[str, Answered]
    depths: tuple[int, ...]
    latency_ms: Mapping[int, float]
    is_pointwise: bool

    @classmethod
    def of(
        cls, name: str, answers: Mapping[str, Answered], *, score_kind: str, share_of: Callable[[int, int], float]
    ) -> Candidate:
        """Take answers as given: the median latency at the full depth, `share_of(depth, full)` elsewhere."""
        is_single = all(len(answer.stage_ms) == 2 for answer in answers.values())
        deepest = max(len(answer.scores if is_single else answer.candidates) for answer in answers.values())
        is_pointwise = is_single and score_kind in POINTWISE
        smaller = [depth for depth in DEPTHS if depth < deepest and is_pointwise]
        whole = float(np.median([sum(answer.stage_ms[1:]) for answer in answers.values()]))
        latency = {depth: whole * share_of(depth, deepest) for depth in smaller}
        return cls(name, answers, (*smaller, deepest), latency | {deepest: whole}, is_pointwise)

    @property
    def deepest(self) -> int:
        """The depth at which it was asked."""
        return self.depths[-1]

    def orders(self, depth: int) -> Orders:
        """Return its order of each query's candidates when the first `depth` are reranked."""
        if depth == self.deepest:
            return {query_id: answer.doc_ids for query_id, answer in self.answers.items()}
        return {query_id: reranked_at(answer, depth) for query_id, answer in self.answers.items()}


@dataclass(frozen=True, slots=True)
class PassageGain:
    """What a model gains at its deepest when the generator takes so many passages: in nDCG and in recall."""

    model: str
    passages: int
    ndcg: Gain
    recall: Gain


@dataclass(frozen=True, slots=True)
class Mix:
    """A model's scores added to the first stage's with the `weight` that served the queries best (1: only that one's).

    `values` are the queries' nDCG under weights that were chosen on other queries.
    """

    model: str
    weight: float
    values: Values

    @property
    def name(self) -> str:
        """The model with the first stage and its weight."""
        return f"{self.model} + {self.weight:g} x first stage"


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice for a collection: the sentence, and everything it was drawn from.

    Of the first stage: its mean nDCG at `passages` with its 95 % interval, the recall of its
    candidates, and the nDCG of their best possible order. Without judgements all of that is
    empty, and `changes` says what reranking changes.
    """

    verdict: str
    collection: Mapping[str, Any]
    provenance: Mapping[str, Any]
    first_stage: str
    passages: int
    baseline: tuple[float, float, float] | None = None
    recall: float | None = None
    ceiling: float | None = None
    models: tuple[ModelAdvice, ...] = ()
    by_passages: tuple[PassageGain, ...] = ()
    mixes: tuple[Mix, ...] = ()
    changes: tuple[Changes, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Asked:
    """What the figures are made of: how many passages the generator takes, from which grade one is relevant."""

    passages: int = 10
    relevant_from: int = 1
    seed: int = 0
    permutations: int = 100_000


def judged_advice(
    first: Mapping[str, Answered],
    candidates: Sequence[Candidate],
    qrels: Qrels,
    asked: Asked,
    *,
    mixes: Sequence[Mix] = (),
    about: Mapping[str, Any],
) -> Advice:
    """Compare each candidate with the first stage's order.

    `about` holds `collection`, `provenance`, `first_stage` and `notes` of the result. Raises InputError as `advise`
    does, and when judgements and answers share no query.
    """
    ndcg = Measure("nDCG", asked.passages)
    own = _orders(first)
    baseline = _values(own, qrels, ndcg)
    statistics = _statistics(asked)
    measured = [
        Measured(one.name, {depth: _values(one.orders(depth), qrels, ndcg) for depth in one.depths}, one.latency_ms)
        for one in candidates
    ]
    deepest = {one.name: one for one in candidates}
    for mix in mixes:
        of = deepest[mix.model]
        latency = {of.deepest: of.latency_ms[of.deepest]}
        measured.append(Measured(mix.name, {of.deepest: mix.values}, latency, mixes=mix.model))
    models = advise(baseline, measured, statistics)
    recall = mean(_values(own, qrels, Measure("R", max(map(len, own.values())), asked.relevant_from)))
    low, high = statistics.interval(list(baseline.values()))
    return Advice(
        verdict=verdict(models, recall=recall, passages=asked.passages),
        passages=asked.passages,
        baseline=(mean(baseline), low, high),
        recall=recall,
        ceiling=mean(_values({query: by_grade(found, qrels[query]) for query, found in own.items()}, qrels, ndcg)),
        models=models,
        by_passages=tuple(_by_passages(own, candidates, qrels, asked, statistics)),
        mixes=tuple(mixes),
        **{**about, "notes": (*about["notes"], *caution(len(own)), *_applied(mixes, models, about["first_stage"]))},
    )


def _applied(mixes: Sequence[Mix], models: Sequence[ModelAdvice], first_stage: str) -> list[str]:
    """Say how to search with each sum that helps."""
    helping = {one.model: one.deepest.at for one in models if one.mixes and one.helps}
    return [
        f"{mix.name}: {_options(mix, first_stage, helping[mix.name])}, or first_stage_weight in shortlist.toml or in a"
        " request to the server's /v1/search"
        for mix in mixes
        if mix.name in helping and mix.weight > 0
    ]


def _options(mix: Mix, first_stage: str, depth: int) -> str:
    """Return the command line of a sum. The weight is of this first stage's scores, and a run is none of a search."""
    spec = parse_system(f"{first_stage} > {mix.model}")
    command = ["shortlist", "search", "--model", spec.models[0].loaded, "--depth", str(depth)]
    command += [] if spec.first.run_file else ["--first-stage", spec.first.name]
    line = f"`{shlex.join([*command, '--first-stage-weight', f'{mix.weight:g}'])}`"
    return f"{line} over a first stage that scores as the run does" if spec.first.run_file else line


def unjudged_advice(
    first: Mapping[str, Answered], candidates: Sequence[Candidate], asked: Asked, *, about: Mapping[str, Any]
) -> Advice:
    """Say what each candidate changes among the first passages; nothing of this is about quality."""
    orders = {one.name: {depth: one.orders(depth) for depth in one.depths} for one in candidates}
    found = changes(_orders(first), orders, passages=asked.passages)
    return Advice(verdict=weak_verdict(found), passages=asked.passages, changes=found, **about)


def _orders(answers: Mapping[str, Answered]) -> dict[str, tuple[str, ...]]:
    return {query_id: answer.doc_ids for query_id, answer in answers.items()}


def _values(orders: Orders, qrels: Qrels, measure: Measure) -> dict[str, float]:
    judged = {query_id: qrels[query_id] for query_id in orders}
    return per_query(Run("advice", orders), judged, [measure])[str(measure)]


def _by_passages(
    own: Orders, candidates: Sequence[Candidate], qrels: Qrels, asked: Asked, statistics: Statistics
) -> list[PassageGain]:
    rows = []
    counts = sorted({*PASSAGES, asked.passages})
    for one in candidates:
        orders = one.orders(one.deepest)
        gains = []
        for name, rel in (("nDCG", 1), ("R", asked.relevant_from)):
            measures = {count: Measure(name, count, rel) for count in counts}
            before, after = ({n: _values(o, qrels, m) for n, m in measures.items()} for o in (own, orders))
            gains.append(gains_by_passages(before, after, statistics))
        rows += [PassageGain(one.name, ndcg.at, ndcg, recall) for ndcg, recall in zip(*gains, strict=True)]
    return rows


def _statistics(asked: Asked) -> Statistics:
    return Statistics(
        lambda differences: bootstrap_interval(np.array(differences), seed=asked.seed),
        lambda differences: randomisation_p(np.array(differences), seed=asked.seed, permutations=asked.permutations),
        holm,
    )
