"""How many replicas answer so many queries a second in time: a queueing simulation on the cost model.

Queries arrive at random (Poisson). Each goes to the less loaded of two replicas drawn at random, which is what Ray
Serve and most balancers do (Mitzenmacher 2001, "The power of two choices"), and waits there in order. A
replica works on one query at a time for a lognormal time with the model's median and P95. Batches across
queries, which raise throughput under load, and score caches are left out: the answer is on the safe side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shortlist.errors import InputError

_NORMAL_P95 = 1.6449
_QUERIES = 20_000
_WARM_UP = 0.1
_ALIKE = 250
"""Replicas from which on a fleet is simulated by so many at the same load each: with few queries a replica it would
end before queues are as long as they become (20,000 queries, 2,000 replicas at 95 %: P95 1,976 ms; 600,000: 2,321)."""
_MOST_REPLICAS = 100_000


@dataclass(frozen=True, slots=True)
class Service:
    """How long a replica takes for one query alone, in ms."""

    p50_ms: float
    p95_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p95_ms < math.inf:
            raise InputError(f"a service time has 0 < P50 <= P95; got {self.p50_ms} and {self.p95_ms} ms")

    @property
    def sigma(self) -> float:
        """Of the logarithm."""
        return math.log(self.p95_ms / self.p50_ms) / _NORMAL_P95

    @property
    def mean_ms(self) -> float:
        """The mean of the lognormal."""
        return self.p50_ms * math.exp(self.sigma**2 / 2)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas under a load: how busy they are (0..1), and what a query takes with its waiting, in ms."""

    replicas: int
    busy: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def simulate(service: Service, *, queries_per_s: float, replicas: int, queries: int = _QUERIES) -> Fleet:
    """Run so many queries through so many replicas; the first tenth only warms them up.

    Raises InputError when the load is more than the replicas can do at all: waits would grow for ever.
    """
    if queries_per_s <= 0 or replicas < 1:
        raise InputError(f"a load is above 0 and a fleet has a replica; got {queries_per_s} and {replicas}")
    busy = queries_per_s * service.mean_ms / 1000 / replicas
    if busy >= 1:
        raise InputError(f"{replicas} replicas can do {replicas * 1000 / service.mean_ms:.1f} queries a second at most")
    random = np.random.default_rng(0)
    alike = min(replicas, _ALIKE)
    arrivals = np.cumsum(random.exponential(1000 / queries_per_s * replicas / alike, queries))  # [queries] ms
    work = service.p50_ms * np.exp(service.sigma * random.standard_normal(queries))  # [queries] ms
    draws = random.integers(alike, size=(queries, 2))
    free = [0.0] * alike
    took = np.empty(queries)
    for place, (at, lasts, (one, other)) in enumerate(
        zip(arrivals.tolist(), work.tolist(), draws.tolist(), strict=True)
    ):
        chosen = one if free[one] <= free[other] else other
        free[chosen] = max(at, free[chosen]) + lasts
        took[place] = free[chosen] - at
    p50, p95, p99 = np.percentile(took[int(queries * _WARM_UP) :], [50, 95, 99]).tolist()
    return Fleet(replicas, busy, p50, p95, p99)


def smallest(service: Service, *, queries_per_s: float, p95_ms: float, spare: int = 0) -> Fleet:
    """Return the smallest fleet that keeps a P95, and how it does with all `spare` replicas more in use.

    Raises InputError when a query alone takes longer than that, or so long that there is no time to wait.
    """
    if service.p95_ms >= p95_ms:
        raise _too_slow(service, p95_ms)
    least = max(1, math.floor(queries_per_s * service.mean_ms / 1000) + 1)
    if least > _MOST_REPLICAS:
        raise InputError(f"this load needs over {_MOST_REPLICAS} replicas; plan for a part of it")

    def keeps(replicas: int) -> bool:
        return simulate(service, queries_per_s=queries_per_s, replicas=replicas).p95_ms <= p95_ms

    enough = least
    while not keeps(enough):
        if enough > _MOST_REPLICAS:
            raise _too_slow(service, p95_ms)
        least, enough = enough + 1, enough + max(1, enough // 4)
    while least < enough:
        middle = (least + enough) // 2
        least, enough = (least, middle) if keeps(middle) else (middle + 1, enough)
    return simulate(service, queries_per_s=queries_per_s, replicas=enough + spare)


def _too_slow(service: Service, p95_ms: float) -> InputError:
    return InputError(
        f"a query takes {service.p95_ms:.0f} ms at P95 on an idle replica, so no number of them keeps {p95_ms:.0f};"
        " take fewer candidates, shorter documents, a faster model or more cores a replica"
    )


@dataclass(frozen=True, slots=True)
class Storage:
    """What an index of passages takes, in bytes: in memory with its replicas, on disk, and on how many nodes."""

    vectors: int
    graph: int
    words: int
    texts: int
    nodes: int

    @property
    def memory(self) -> int:
        """Of one copy."""
        return self.vectors + self.graph + self.words

    @property
    def disk(self) -> int:
        """Of one copy."""
        return self.memory + self.texts


VECTOR_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}
_LINKS_BYTES = 16 * 2 * 4 * 1.1  # HNSW with m = 16: 32 links of 4 bytes on the lowest layer, a tenth more above
_POSTING_BYTES = 6  # id and weight, compressed
_FILL = 0.7  # of a node's memory; the rest is for the system, segments being merged, and queries


def storage(
    documents: int,
    *,
    tokens: int = 180,
    dimension: int = 384,
    precision: str = "fp32",
    replicas: int = 1,
    node_bytes: int = 64 << 30,
) -> Storage:
    """Predict what so many passages take: vectors and graph in memory, texts and token ids on disk.

    A passage has two thirds as many different words as tokens, and 4 characters and 4 bytes of token ids a token.
    Raises InputError for an unknown precision or a number below 1.
    """
    if precision not in VECTOR_BYTES:
        raise InputError(f"vectors are {', '.join(VECTOR_BYTES)}; got {precision!r}")
    if min(documents, tokens, dimension, replicas, node_bytes) < 1:
        raise InputError("documents, tokens, dimension, replicas and a node's memory are at least 1")
    vectors = documents * dimension * VECTOR_BYTES[precision]
    graph = int(documents * _LINKS_BYTES)
    words = documents * tokens * 2 // 3 * _POSTING_BYTES
    made = Storage(vectors, graph, words, documents * tokens * 8, 0)
    nodes = max(replicas, math.ceil(made.memory * replicas / (node_bytes * _FILL)))
    return Storage(vectors, graph, words, made.texts, nodes)
