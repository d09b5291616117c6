"""What a model is asked, and what every served model does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shortlist.planning.cost import CostModel
from shortlist.types import Deadline, Ranking, Step


@dataclass(frozen=True, slots=True)
class Cuts:
    """How much of each document is read: tokens of it, tokens of a pair, and whether its end is kept, not its start."""

    document_tokens: int | None = None
    pair_tokens: int | None = None
    keeps_end: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to cut."""
        return self.document_tokens is not None or self.pair_tokens is not None or self.keeps_end


@dataclass(frozen=True, slots=True)
class Ask:
    """Candidates to be reranked for a client; `progress` sees the ranking that there is so far, now and then.

    The candidates' doc_ids must differ. `priority` is 0 for the most urgent. `max_tokens` of all pairs together, as
    far as the model reads them, are let in; 0 is no limit. With `in_given_order` a deadline finds the first ones first,
    whatever is known of the others. A part of a request that was let in already `is_let_in` whatever waits.
    """

    candidates: Ranking
    top_k: int | None = None
    deadline: Deadline | None = None
    client: str = ""
    priority: int = 0
    cuts: Cuts = Cuts()
    progress: Callable[[Ranking], None] | None = None
    max_tokens: int = 0
    in_given_order: bool = False
    is_let_in: bool = False

    def unscored(self) -> Ranking:
        """Return the candidates as they were given, for when there was no time to score any."""
        given = self.candidates
        why = "no answer" if self.deadline is None else f"budget of {self.deadline.budget_ms:g} ms"
        note = f"{why}: 0 of {len(given)} candidates were scored, they keep their order"
        step = Step("budget", 0.0, {"documents": len(given), "scored": 0}, {}, (note,))
        return given.partly_reordered((), kind=given.score_kind, stage=given.stage, top_k=self.top_k, steps=(step,))


@dataclass(frozen=True, slots=True)
class Load:
    """What a model has to do at present: pairs and tokens that wait, and tokens a second as learned."""

    pairs: int = 0
    tokens: int = 0
    tokens_per_s: float = 0.0


class Served(Protocol):
    """A loaded model that answers many clients at once."""

    @property
    def fingerprint(self) -> str:
        """What gives the scores; empty where there are none."""
        ...

    @property
    def cost(self) -> CostModel | None:
        """What scoring costs on this machine; None where nothing is known."""
        ...

    @property
    def max_length(self) -> int | None:
        """The tokens of a pair that are read; None where nothing is known."""
        ...

    @property
    def load(self) -> Load:
        """What it has to do."""
        ...

    async def rank(self, ask: Ask) -> Ranking:
        """Rerank; raises OverloadedError at once when it has too much to do.

        When the waiting task is cancelled, what nobody else wants is not scored any more.
        """
        ...

    async def close(self) -> None:
        """Finish what was let in, then end the threads."""
        ...
