"""A gate of plain rules, for when nothing has been logged yet."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.gating.features import features_of
from shortlist.types import Decision, Ranking


@dataclass(frozen=True, slots=True)
class Rules:
    """Skip reranking where it cannot matter, or where first stages are known to be better.

    `many` passages that go on are all read by the generator, whatever their order. A query of which
    the share `identifier` of the words are names or codes is a matter of exact words. Candidates
    whose best two arms agree on, leading by `lead` of the range of scores, are taken for
    clear. The last two are habits of the field, not laws: measure them with
    `benchmarks/quality/gate_curve.py`, or train a `LogisticGate` on your own queries.
    """

    many: int = 30
    identifier: float = 0.5
    lead: float = 0.5

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        """Say whether to rerank, with the first reason not to."""
        found = features_of(candidates, top_k=top_k)
        if len(candidates) <= 1:
            return Decision(False, f"{len(candidates)} candidates have no order to change")
        if len(candidates) <= top_k:
            return Decision(False, f"all {len(candidates)} candidates go on anyway (top_k={top_k})")
        if top_k >= self.many:
            return Decision(False, f"{top_k} passages go on, where their order matters little (from {self.many})")
        if found.identifier >= self.identifier:
            return Decision(False, f"{found.identifier:.0%} of the query's words look like identifiers")
        if found.same_first == 1 and found.lead >= self.lead:
            return Decision(False, f"both arms agree on the first, which leads by {found.lead:.0%} of the range")
        return Decision(True, "no rule speaks against it")
