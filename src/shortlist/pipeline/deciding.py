"""Whether to rerank, as a gate decides; one that fails is said, and the candidates are reranked."""

from __future__ import annotations

import numpy as np

from shortlist.protocols import Gate
from shortlist.types import Decision, Ranking, Step, monotonic_ms


def decided(gate: Gate, candidates: Ranking, *, top_k: int) -> tuple[bool, Step]:
    """Return whether a gate finds reranking worth it, and the step that says why.

    A gate saves time and no more: neither a defect in it nor a decision that means nothing is worth a request.
    """
    began = monotonic_ms()
    try:
        decision = gate.decide(candidates, top_k=top_k)
        wrong = _wrong(decision)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    latency, counts = monotonic_ms() - began, {"documents": len(candidates)}
    if wrong:
        note = f"the gate failed, so the candidates were reranked: {wrong}"
        return True, Step("gate", latency, counts, {"decision": "rerank", "reason": "the gate failed"}, (note,))
    facts = {"decision": "rerank" if decision.is_worth_it else "skip", "reason": decision.reason}
    if decision.chance is not None:
        facts["chance"] = f"{decision.chance:.3f}"
    notes = () if decision.is_worth_it else (f"not reranked: {decision.reason}",)
    return bool(decision.is_worth_it), Step("gate", latency, counts, facts, notes)


def _wrong(decision: object) -> str:
    """Return what makes a decision mean nothing, in words; an empty text where it means something."""
    if not isinstance(decision, Decision):
        return f"it gave {decision!r:.80}, which is no Decision"
    chance: object = decision.chance
    if not isinstance(decision.is_worth_it, bool | np.bool_):
        return f"is_worth_it must be true or false, not {decision.is_worth_it!r:.80}"
    if not isinstance(decision.reason, str):
        return f"reason must be a text, not {decision.reason!r:.80}"
    if chance is not None and not (isinstance(chance, int | float | np.number) and 0 <= chance <= 1):
        return f"chance must be within 0..1, not {chance!r:.80}"
    return ""
