"""A minute of real scoring, through the ordinary `Scorer` protocol."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from shortlist.errors import InputError
from shortlist.planning.cost import CostModel
from shortlist.planning.fitting import LEAST_SHAPES, Fit, Measurement, fit
from shortlist.planning.lengths import SPECIAL_TOKENS
from shortlist.planning.pace import UNKNOWN_RATIO
from shortlist.protocols import Scorer
from shortlist.types import Clock, Document, Query, Scores, monotonic_ms

# Short common words: one token each in almost every vocabulary.
_TEXT = (
    "time year people way day man thing woman life child world school state family student group country problem hand"
    " part place case week company system program question work government number night point home water room mother"
    " area money story fact month lot right study book eye job word business issue side kind head house service friend"
)
_WORDS = _TEXT.split()
_QUERY_TOKENS = 10
PAIRS = (1, 2, 4, 8, 16, 32, 64)
TOKENS = (24, 60, 120, 180, 250, 400)
DEAREST = 0.015  # the share of the whole time that one call may take: every shape is called several times
Store = Callable[[Document], Document]
"""Gives a document what an index would have kept of it: its token ids and its vector."""
Watch = Callable[[float], None]
"""Called after every call with the share of the time that is used up."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured of a scorer: its cost model with its error, and how often it was called.

    `stored` is that of documents with what an index keeps of them; None where it was not asked for.
    """

    fit: Fit
    calls: int
    seconds: float
    stored: Fit | None = None


def calibrate(
    scorer: Scorer,
    *,
    seconds: float = 60.0,
    clock: Clock = monotonic_ms,
    store: Store | None = None,
    watch: Watch | None = None,
) -> Calibration:
    """Score made-up documents of many counts and lengths until the time is up, and fit the costs.

    Shapes come in another order every round, so that a slow moment of the machine meets
    all of them. A shape of which one call would take more than 1.5 % of the time is left
    out, but for the six smallest, whatever they take. Lengths are those that the
    scorer counts, where its step has `tokens` and `pairs`. With a `store`, every shape is called in
    turn with plain documents and with stored ones. Raises InputError for no time at all.
    """
    if seconds <= 0:
        raise InputError(f"calibration needs some seconds, got {seconds}")
    rng = random.Random(0)
    shape = _warmed_up(scorer, rng)
    plain, stored = list[Measurement](), list[Measurement]()
    began, end = clock(), clock() + seconds * 1000
    cells = sorted(((pairs, tokens) for pairs in PAIRS for tokens in TOKENS), key=lambda cell: cell[0] * cell[1])
    is_first_round = True
    while clock() < end:
        affordable = set[tuple[int, int]]()
        for cell in cells if is_first_round else rng.sample(cells, len(cells)):
            is_enough = len(plain) >= LEAST_SHAPES  # in the first round every call is of another shape
            if is_enough and clock() >= end:
                break
            plain.append(_measured(scorer, cell, clock, rng))
            if store is not None:
                stored.append(_measured(scorer, cell, clock, rng, store))
            if watch is not None:
                watch(min(1.0, (clock() - began) / (end - began)))
            if plain[-1].latency_ms <= seconds * 1000 * DEAREST:
                affordable.add(cell)
            elif is_first_round and is_enough:  # cells stand by size: those that follow are as dear
                break
        few = cells[:LEAST_SHAPES]
        cells, is_first_round = [cell for cell in cells if cell in affordable or cell in few], False
    seconds = (clock() - began) / 1000
    kept = fit(stored, shape=shape) if stored else None
    return Calibration(fit(plain, shape=shape), len(plain) + len(stored), seconds, kept)


def probe(
    scorer: Scorer, *, clock: Clock = monotonic_ms, store: Store | None = None
) -> tuple[CostModel, CostModel | None]:
    """Return rough cost models from three short calls each after a warm-up: a fixed part, and the rest by token.

    The first is of plain documents, the second, with a `store`, of stored ones.
    """
    rng = random.Random(0)
    shape = _warmed_up(scorer, rng)
    plain = _probed(scorer, shape, clock, rng)
    return plain, None if store is None else _probed(scorer, shape, clock, rng, store)


def _probed(
    scorer: Scorer, shape: CostModel, clock: Clock, rng: random.Random, store: Store | None = None
) -> CostModel:
    few, many, again = (_measured(scorer, cell, clock, rng, store) for cell in ((1, 60), (8, 60), (8, 60)))
    longer = min(many.latency_ms, again.latency_ms)
    tokens_few, tokens_many = (shape.terms(one.lengths)[2] for one in (few, many))
    by_token = max(0.0, longer - few.latency_ms) / max(1, tokens_many - tokens_few) or longer / tokens_many
    fixed = max(0.0, few.latency_ms - by_token * tokens_few)
    return replace(shape, fixed_ms=fixed, token_ms=by_token, p95_ratio=UNKNOWN_RATIO)


def _measured(
    scorer: Scorer, cell: tuple[int, int], clock: Clock, rng: random.Random, store: Store | None = None
) -> Measurement:
    pairs, tokens = cell
    documents = _documents(pairs, tokens, rng)
    if store is not None:
        documents = list(map(store, documents))
    query = _query(rng)
    began = clock()
    scores = scorer.score(query, documents)
    latency = clock() - began
    return Measurement((_length(scores, tokens),) * pairs, max(latency, 1e-6))


def _length(scores: Scores, tokens: int) -> int:
    counted, pairs = scores.step.counts.get("tokens", 0), scores.step.counts.get("pairs", 0)
    return round(counted / pairs) if counted and pairs else tokens + _QUERY_TOKENS + SPECIAL_TOKENS


def _query(rng: random.Random) -> Query:
    """Make another query, as every search asks one: a bi-encoder remembers the last."""
    return Query(" ".join(rng.choices(_WORDS, k=_QUERY_TOKENS)))


def _documents(pairs: int, tokens: int, rng: random.Random) -> list[Document]:
    """Make documents of different words, for equal ones would be scored once."""
    return [Document(" ".join(rng.choices(_WORDS, k=tokens)), str(place)) for place in range(pairs)]


def _warmed_up(scorer: Scorer, rng: random.Random) -> CostModel:
    """Score a little without measuring; learn the streams, and the limits from a document that is far too long."""
    scorer.score(_query(rng), _documents(8, 60, rng))
    scores = scorer.score(_query(rng), _documents(1, 3000, rng))
    shape = CostModel(streams=_fact(scores, "streams"), length_step=_fact(scores, "length_step"))
    cuts = sorted({truncation.seen for truncation in scores.step.truncations})
    if not cuts:
        return shape
    second = cuts[0] + _QUERY_TOKENS + SPECIAL_TOKENS if len(cuts) > 1 else None  # a bi-encoder reads no query there
    return replace(shape, limit=_length(scores, cuts[-1]), second_limit=second)


def _fact(scores: Scores, name: str) -> int:
    text = scores.step.facts.get(name, "1")
    return int(text) if text.isdigit() else 1
