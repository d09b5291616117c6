"""Which of the loaded models fits into a budget, as predicted from what they cost here."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from shortlist.build.planning import make_plan
from shortlist.planning.contenders import Contender
from shortlist.planning.plan import Plan, Task
from shortlist.server.bodies import read_json
from shortlist.server.faults import RefusedError
from shortlist.server.replies import json_reply, own_limits, state_of
from shortlist.server.state import State
from shortlist.wire import Fault
from shortlist.wire.reading import At, whole_or_none

_MOST = 1000
_INT8 = "int8"  # as a fingerprint names it, between colons
_KNOWN = ("budget_ms", "candidates", "tokens", "query_tokens")


async def plan(request: Request) -> Response:
    """Return the best plan within `budget_ms` for so many candidates of so many tokens, and what is next better."""
    state = state_of(request)
    at = At(await read_json(request, own_limits(request))).only(_KNOWN)
    budget_ms = at["budget_ms"].number()
    if budget_ms <= 0:
        raise at["budget_ms"].wrong("a number of milliseconds above 0")
    numbers = [whole_or_none(at.get(name), least=1) for name in _KNOWN[1:]]
    task = Task(*(min(_MOST, given or usual) for given, usual in zip(numbers, (50, 180, 12), strict=True)))
    contenders, notes = _contenders(state)
    if not contenders:
        raise RefusedError(Fault.UNAVAILABLE, "no model whose costs are known is loaded yet")
    # of many models it takes .7 s
    planned = await asyncio.to_thread(make_plan, task, contenders, p95_ms=budget_ms, notes=notes)
    return json_reply(
        {
            "chosen": _plan(planned.chosen),
            "next_better": None if planned.better is None else _plan(planned.better),
            "notes": list(planned.notes),
        }
    )


def _contenders(state: State) -> tuple[list[Contender], list[str]]:
    """Return what is loaded with its costs, and what to know of its figures."""
    loaded = state.pool.in_memory()
    notes = [
        f"{name} runs in int8; figures of its quality are those of other precisions, and it may be worth less"
        for name, one in loaded.items()
        if _INT8 in one.fingerprint.split(":")
    ]
    return [Contender(name, one.cost) for name, one in loaded.items() if one.cost is not None], notes


def _plan(plan: Plan) -> dict[str, object]:
    return {
        "name": plan.name,
        "stages": [{"model": s.model, "depth": s.depth, "tokens": s.tokens} for s in plan.stages],
        "p50_ms": round(plan.p50_ms, 1),
        "p95_ms": round(plan.p95_ms, 1),
        "ndcg@10": None if plan.quality is None else round(plan.quality.value, 4),
    }
