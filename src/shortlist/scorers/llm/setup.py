"""What every LLM reranker is given beside its method, and what it writes into the trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shortlist.errors import BudgetSpentError, GenerationError, InputError, ShortlistError
from shortlist.passages.quoting import harmless, shortened
from shortlist.passages.size import count_words
from shortlist.protocols import Generator, LikelihoodModel
from shortlist.scorers.llm.cost import Budget, Estimate, Prices, Usage
from shortlist.scorers.llm.desk import Desk
from shortlist.scorers.llm.method import Task
from shortlist.scorers.llm.parsing import REPAIRS, UNREADABLE
from shortlist.scorers.llm.rehearsal import Rehearsal
from shortlist.types import Document, Query, Step, Truncation, monotonic_ms

STOPPING = (BudgetSpentError, GenerationError)  # after these the best order so far stands


@dataclass(frozen=True, slots=True)
class Setup:
    """A language model and how it may be asked.

    `words`: what is shown of a passage, as `count_words` counts (two letters are one word
    where words are not spaced). `fenced`: passages stand between marks, and the prompt says
    that instructions inside are data; without it, prompts are word for word the published
    ones. `concurrency`: questions at once. Raises InputError when a cap on money has no prices.
    """

    model: Generator | LikelihoodModel
    budget: Budget = field(default_factory=Budget)
    prices: Prices | None = None
    words: int = 300
    fenced: bool = True
    concurrency: int = 4

    def __post_init__(self) -> None:
        if self.words < 1 or self.concurrency < 1:
            raise InputError(f"words and concurrency must be 1 or more; got {self.words} and {self.concurrency}")
        if self.budget.cost is not None and self.prices is None:
            raise InputError("a cap on money needs prices=Prices(prompt=..., completion=...) for a million tokens")

    @property
    def fingerprint(self) -> str:
        """Name the model and what is shown of a passage."""
        return f"{self.model.fingerprint}:{self.words}{':fenced' if self.fenced else ''}"

    def desk(self) -> Desk:
        """Return a fresh count for one reranking."""
        return Desk(self.model, budget=self.budget, prices=self.prices, concurrency=self.concurrency)

    def rehearsal(self) -> Desk:
        """Return a desk where nothing is asked, and prompts are only measured."""
        return Desk(Rehearsal(), budget=Budget(), prices=None, concurrency=1)

    def task(self, query: Query, documents: Sequence[Document], *, top_k: int | None = None) -> Task:
        """Return what a method works on."""
        passages = [shortened(harmless(document.full_text), self.words)[0] for document in documents]
        return Task(query, harmless(query.text), documents, passages, self.fenced, top_k)

    def estimate(self, calls: int, rehearsed: Desk) -> Estimate:
        """Return what `calls` of the same size as the rehearsed ones take."""
        share = calls / max(1, rehearsed.usage.calls)
        read, written = rehearsed.usage.prompt_tokens, rehearsed.usage.completion_tokens
        usage = Usage(calls, round(read * share), round(written * share))
        cost = None if self.prices is None else usage.cost(self.prices)
        return Estimate(calls, usage.prompt_tokens, usage.completion_tokens, cost)

    def step(
        self,
        method: str,
        task: Task,
        desk: Desk,
        *,
        began: float,
        most_calls: int,
        notes: Sequence[str] = (),
    ) -> Step:
        """Return what was done: calls, tokens, money, repairs, and every degradation."""
        usage = desk.usage
        facts = {"model": desk.model, "method": method}
        if self.prices is not None:
            facts["cost"] = f"{usage.cost(self.prices):.6f}"
        counts = {
            "documents": len(task.documents),
            "calls": usage.calls,
            "calls_at_most": most_calls,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            **{name: desk.repairs[name] for name in REPAIRS if desk.repairs[name]},
        }
        latency = monotonic_ms() - began
        cut = _truncations(task, desk)
        return Step("llm", latency, counts, facts, (*notes, *_notes(task, desk, cut, self.words)), cut)


def _truncations(task: Task, desk: Desk) -> tuple[Truncation, ...]:
    """Return what was shown of which document, in words, where that was not all of it."""
    found = []
    for document, passage in zip(task.documents, task.passages, strict=True):
        total = count_words(harmless(document.full_text))
        seen = desk.cut.get(passage, count_words(passage))
        if seen < total:
            found.append(Truncation(document.doc_id, seen, total))
    return tuple(found)


def _notes(task: Task, desk: Desk, cut: Sequence[Truncation], words: int) -> list[str]:
    notes = []
    fitted = sum(passage in desk.cut for passage in task.passages)
    if len(cut) > fitted:
        notes.append(f"{len(cut) - fitted} passages cut at {words} words")
    if fitted:
        notes.append(f"{fitted} passages cut to fit the model's context, to {min(desk.cut.values())} words or more")
    if desk.refused:
        notes.append(f"{len(desk.refused)} prompts were refused, the first with: {desk.refused[0]}")
    if desk.repairs.total():
        notes.append(
            "answers repaired: " + ", ".join(f"{name} {count}" for name, count in sorted(desk.repairs.items()) if count)
        )
    if desk.unfinished and desk.repairs[UNREADABLE]:
        notes.append(
            f"{desk.unfinished} answers ended at their limit of tokens; a model that thinks first needs a higher one,"
            " as with body={'max_tokens': 4000}"
        )
    if desk.guessed:
        notes.append(f"{desk.guessed} answers came without usage; their tokens are estimated")
    return notes


def stopped(error: ShortlistError, desk: Desk) -> str:
    """Say why the asking ended early, or raise `error` when it is a failure before any answer."""
    if isinstance(error, GenerationError) and desk.usage.calls == 0:
        raise error
    return f"stopped after {desk.usage.calls} calls, and the best order so far stands: {error}"
