"""Which models, how deep and how much of each document, so that it fits into a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations

from shortlist.errors import InputError
from shortlist.planning.contenders import Contender
from shortlist.planning.lengths import SPECIAL_TOKENS
from shortlist.planning.quality import FIRST_STAGE, Estimate, QualityTable

LAST_FEW = (3, 5, 10)  # what the third stage of a cascade gets
CUTS = (32, 64, 128, 256)  # tokens of a document to read, besides all of it


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be reranked: so many candidates of so many tokens each, for a query of so many tokens."""

    candidates: int
    tokens: int = 180
    query_tokens: int = 12

    def __post_init__(self) -> None:
        if min(self.candidates, self.tokens, self.query_tokens) < 1:
            raise InputError(f"a plan needs at least one candidate, token and query token; got {self}")


@dataclass(frozen=True, slots=True)
class Stage:
    """A model on the first `depth` candidates, reading `tokens` of each document: all of them, unless it `is_cut`."""

    model: str
    depth: int
    tokens: int
    is_cut: bool = False

    def __str__(self) -> str:
        return f"{self.model}@{self.depth}" + (f"[:{self.tokens}]" if self.is_cut else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages one after another (none: the first stage's order), with what to expect of them.

    Latencies are those of reranking alone. The P95 of several stages is the sum of theirs, which may be less
    than that of the whole only where stalls are rarer than one call in twenty. `quality` is None where figures
    are missing. The price is of a thousand queries.
    """

    stages: tuple[Stage, ...]
    p50_ms: float
    p95_ms: float
    quality: Estimate | None
    price_per_thousand: float = 0.0

    @property
    def name(self) -> str:
        """The models and depths, such as `small@100 > large@20`; `[:64]` where only 64 tokens are read."""
        return " > ".join(map(str, self.stages)) or "no reranking"

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order in which they run."""
        return tuple(stage.model for stage in self.stages)


def every_plan(task: Task, contenders: Sequence[Contender], table: QualityTable) -> tuple[Plan, ...]:
    """Return all plans that are thought of, whatever they take: the budget does not decide which are made.

    That is no reranking, each model at many depths and cuts, and cascades: all candidates through one
    model, the best of them through a dearer one, the last few through a third.
    """
    plans: list[Plan] = []
    for one in contenders:
        for depth in depths(task.candidates):
            plans += [_single(task, one, depth, cut, table) for cut in (*cuts(task.tokens), task.tokens)]
    for chain in (*permutations(contenders, 2), *permutations(contenders, 3)):
        if _gets_dearer(chain, task):
            plans += _cascades(task, chain, table)
    is_known = any(plan.quality is not None for plan in plans)  # else no reranking would be the best that is known of
    return (Plan((), 0.0, 0.0, table.first_stage() if is_known else None), *plans)


def depths(candidates: int) -> tuple[int, ...]:
    """Return the depths worth telling apart: every one from 2 to 10, then ever wider steps, and all candidates."""
    steps = [*range(2, 11), *range(15, 51, 5), *range(60, 101, 10), *range(125, 201, 25), *range(300, candidates, 100)]
    return (*(depth for depth in steps if depth < candidates), candidates)


def cuts(tokens: int) -> tuple[int, ...]:
    """Return how many tokens of a document may be read instead of all."""
    return tuple(cut for cut in CUTS if cut < tokens)


def fitting(plans: Sequence[Plan], *, p95_ms: float) -> tuple[Plan, ...]:
    """Return the plans whose predicted P95 is within the budget."""
    return tuple(plan for plan in plans if plan.p95_ms <= p95_ms)


def best(plans: Sequence[Plan]) -> Plan:
    """Return the plan of the highest expected quality, the quickest of equals.

    Plans without figures come after all with some, and among themselves by how many candidates their
    last model sees; none of them cuts documents, where another can be had. Raises InputError for no plans.
    """
    if not plans:
        raise InputError("there are no plans to choose from")
    return max(plans, key=_worth)


def best_of_each(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Return the best plan for every sequence of models, best first."""
    groups: dict[tuple[str, ...], list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.models, []).append(plan)
    return tuple(sorted((best(group) for group in groups.values()), key=_worth, reverse=True))


def next_better(plans: Sequence[Plan], chosen: Plan) -> Plan | None:
    """Return the quickest plan that is expected to be better than the chosen one; None when there is none."""
    if chosen.quality is None:
        return None
    value = chosen.quality.value
    better = [plan for plan in plans if plan.quality is not None and plan.quality.value > value]
    return min(better, key=lambda plan: (plan.p95_ms, -_value(plan)), default=None)


def pareto_front(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Return the plans that no other is both quicker and better than, quickest first; all with figures."""
    known = sorted((plan for plan in plans if plan.quality is not None), key=lambda plan: (plan.p95_ms, -_value(plan)))
    front: list[Plan] = []
    for plan in known:
        if not front or _value(plan) > _value(front[-1]):
            front.append(plan)
    return tuple(front)


def _single(task: Task, one: Contender, depth: int, tokens: int, table: QualityTable) -> Plan:
    quality = table.expected(one.name, depth=depth, read=tokens / task.tokens)
    p50, p95 = _latency(task, one, depth, tokens)
    return Plan((Stage(one.name, depth, tokens, tokens < task.tokens),), p50, p95, quality, one.price_per_query * 1000)


@lru_cache(maxsize=4096)  # a stage stands in many plans
def _latency(task: Task, one: Contender, depth: int, tokens: int) -> tuple[float, float]:
    lengths = [task.query_tokens + SPECIAL_TOKENS + tokens] * depth
    return one.cost.p50_ms(lengths), one.cost.p95_ms(lengths)


def _gets_dearer(chain: Sequence[Contender], task: Task) -> bool:
    """Whether each costs more than the one before it, in money or, where that is equal, in time."""
    costs = [(one.price_per_query, _latency(task, one, task.candidates, task.tokens)[0]) for one in chain]
    return all(left < right for left, right in pairwise(costs))


def _cascades(task: Task, chain: Sequence[Contender], table: QualityTable) -> Iterator[Plan]:
    for middle in depths(task.candidates)[:-1]:
        sizes = (task.candidates, middle)
        if len(chain) == 2:
            yield _cascade(task, chain, sizes, table)
        else:
            yield from (_cascade(task, chain, (*sizes, last), table) for last in LAST_FEW if last < middle)


def _cascade(task: Task, chain: Sequence[Contender], sizes: Sequence[int], table: QualityTable) -> Plan:
    latencies = [_latency(task, one, depth, task.tokens) for one, depth in zip(chain, sizes, strict=True)]
    return Plan(
        tuple(Stage(one.name, depth, task.tokens) for one, depth in zip(chain, sizes, strict=True)),
        sum(p50 for p50, _ in latencies),
        sum(p95 for _, p95 in latencies),
        _cascade_quality([(one.name, depth) for one, depth in zip(chain, sizes, strict=True)], table),
        sum(one.price_per_query for one in chain) * 1000,
    )


def _cascade_quality(stages: Sequence[tuple[str, int]], table: QualityTable) -> Estimate | None:
    """Return the figure of the last model after the one before it; without one, the best of its parts alone.

    That is an assumption, and no bound: a stage can spoil what an earlier one did.
    """
    (before, _), (last, depth) = stages[-2:]
    known = table.expected(last, depth=depth, after=before) if len(stages) == 2 else None
    if known is not None:
        return known
    parts = [table.expected(model, depth=at, after=FIRST_STAGE) for model, at in stages]
    if any(part is None for part in parts):
        return None
    most = max((part for part in parts if part is not None), key=lambda part: part.value)
    return Estimate(most.value, most.source, False)


def _worth(plan: Plan) -> tuple[bool, float, float]:
    if plan.quality is None:
        is_whole = not any(stage.is_cut for stage in plan.stages)  # what a cut costs is not known either
        return False, float(plan.stages[-1].depth) if plan.stages and is_whole else 0.0, -plan.p95_ms
    return True, plan.quality.value, -plan.p95_ms


def _value(plan: Plan) -> float:
    return plan.quality.value if plan.quality is not None else 0.0
