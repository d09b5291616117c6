"""What is asked next when a reranker fails, down to the order that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shortlist.errors import InputError, MissingExtraError, SettingsError, ShortlistError
from shortlist.pipeline.awaiting import arerank
from shortlist.protocols import Reranker, TimedReranker
from shortlist.scorers.asked_of import timed
from shortlist.types import Deadline, Ranking, Step, monotonic_ms
from shortlist.types.trace import TOOK_OVER

# Mistakes of the caller: the next reranker would hide them, not mend them.
MISTAKES = (InputError, SettingsError, MissingExtraError)


class Fallback:
    """Rerankers with their names, asked in turn until one succeeds; when none does, the given order stands.

    A reranker has failed when it raises a ShortlistError that is no mistake of the caller
    (InputError, SettingsError, MissingExtraError). Each failure is a degradation in the
    trace, with its reason. A defect (any other exception) is raised.
    """

    def __init__(self, rerankers: Sequence[tuple[str, Reranker]]) -> None:
        if not rerankers:
            raise InputError("a fallback chain needs at least one reranker")
        self._rerankers = tuple(rerankers)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the ranking of the first reranker that succeeds, or the candidates as they are."""
        failures = _Failures(candidates)
        for name, reranker in self._rerankers:
            with failures.of(name):
                return failures.noted(reranker.rerank(candidates, top_k=top_k), name)
        return failures.given_order(top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline. Raises InputError when a reranker keeps none."""
        failures = _Failures(candidates)
        for name, reranker in self.check_timed():
            with failures.of(name):
                return failures.noted(reranker.rerank_within(candidates, deadline=deadline, top_k=top_k), name)
        return failures.given_order(top_k)

    def check_timed(self) -> list[tuple[str, TimedReranker]]:
        """Return the rerankers when all of them keep a deadline; raises InputError that names one that does not."""
        return [(name, timed(one)) for name, one in self._rerankers]

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns, without blocking the event loop."""
        failures = _Failures(candidates)
        for name, reranker in self._rerankers:
            with failures.of(name):
                return failures.noted(await arerank(reranker, candidates, top_k=top_k), name)
        return failures.given_order(top_k)


@dataclass(slots=True)
class _Failures:
    """What failed so far; as a context manager it takes failures in and lets everything else pass."""

    candidates: Ranking
    began: float = field(default_factory=monotonic_ms)
    asked: str = ""
    spent_ms: float = 0.0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def of(self, name: str) -> _Failures:
        self.asked = name
        return self

    def __enter__(self) -> None:
        """Nothing to do before a reranker is asked."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, ShortlistError) or isinstance(error, MISTAKES):
            return False
        self.spent_ms = monotonic_ms() - self.began
        self.reasons.append((self.asked, f"{type(error).__name__}: {error}"))
        return True

    def noted(self, ranking: Ranking, name: str) -> Ranking:
        """Return the ranking that `name` made, with a step for what failed before it."""
        return ranking.traced(self._step(f"{name} was asked", {TOOK_OVER: name})) if self.reasons else ranking

    def given_order(self, top_k: int | None) -> Ranking:
        """Return the candidates' own order, with a step for what failed."""
        note = f"the {self.candidates.stage} order stands"
        given = replace(self.candidates.head(top_k).as_unscored(), unscored=len(self.candidates))
        return given.traced(self._step(note, {}))

    def _step(self, instead: str, facts: Mapping[str, str]) -> Step:
        followers = [f"{name} was asked" for name, _ in self.reasons[1:]] + [instead]
        notes = tuple(
            f"{name} failed, so {then}: {reason}" for (name, reason), then in zip(self.reasons, followers, strict=True)
        )
        return Step("fallback", self.spent_ms, {"documents": len(self.candidates), "failed": len(notes)}, facts, notes)
