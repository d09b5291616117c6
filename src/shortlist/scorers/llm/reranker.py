"""A language model as a reranker: a method within its caps, shuffled if wanted, and never a document lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shortlist.errors import InputError
from shortlist.scorers.llm.consistency import mean_ranks, shuffles
from shortlist.scorers.llm.cost import Estimate
from shortlist.scorers.llm.desk import Desk
from shortlist.scorers.llm.method import Method, Task
from shortlist.scorers.llm.parsing import UNREADABLE
from shortlist.scorers.llm.setup import STOPPING, Setup, stopped
from shortlist.types import Ranking, ScoreKind, monotonic_ms
from shortlist.types.ranking import check_top_k, descending


class LLMReranker:
    """Reorders candidates by asking a language model in one of the ways of `Method`.

    When a cap is reached, or the model fails after its first answer, the best order so far
    stands and the trace says so; a failure before any answer is raised. With
    `permutations` above 1 the method is run so many times, from the second on with shuffled
    candidates, and the mean rank decides (permutation self-consistency). A shuffled run
    counts only when it came to its end and something could be read in it.
    """

    def __init__(self, method: Method, setup: Setup, *, permutations: int = 1, seed: int = 0) -> None:
        if permutations < 1:
            raise InputError(f"permutations must be 1 or more; got {permutations}")
        self._method, self._setup = method, setup
        self._permutations, self._seed = permutations, seed
        shuffled = f", {permutations} permutations" if permutations > 1 else ""
        self.name = f"{method.name}{shuffled}"

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`; raises GenerationError."""
        check_top_k(top_k)
        began = monotonic_ms()
        desk = self._setup.desk()
        task = self._setup.task(candidates.query, candidates.documents, top_k=top_k)
        orders, notes = self._orders(task, desk)
        desk.settle()
        step = self._setup.step(
            self.name, task, desk, began=began, most_calls=self._calls(len(candidates), top_k), notes=notes
        )
        ranks = mean_ranks(orders, len(candidates))
        if len(orders) == 1:
            ranks = mean_ranks([descending(-ranks)], len(candidates))
            return candidates.reordered(
                1 / ranks, kind=ScoreKind.RECIPROCAL_RANK, stage="llm", top_k=top_k, steps=(step,)
            )
        return candidates.reordered(-ranks, kind=ScoreKind.NEGATIVE_MEAN_RANK, stage="llm", top_k=top_k, steps=(step,))

    def estimate(self, candidates: Ranking, *, top_k: int | None = None) -> Estimate:
        """Return what reranking these candidates takes, without asking anything.

        Calls are the most that can be needed. Tokens go by the words of the real prompts
        (`TOKENS_A_WORD`), and answers count in full length.
        """
        desk = self._setup.rehearsal()
        task = self._setup.task(candidates.query, candidates.documents, top_k=top_k)
        for _ in self._method.orders(task, desk):
            pass
        return self._setup.estimate(self._calls(len(candidates), top_k), desk)

    def _calls(self, count: int, top_k: int | None) -> int:
        return self._permutations * self._method.calls(count, top_k)

    def _orders(self, task: Task, desk: Desk) -> tuple[list[Sequence[int]], list[str]]:
        """Return the orders of the first run and of the shuffled ones that count, and why it ended early if it did."""
        found: list[Sequence[int]] = []
        for shuffle in shuffles(len(task.passages), self._permutations, seed=self._seed):
            best: Sequence[int] = range(len(task.passages))
            answered = _answered(desk)
            try:
                for order in self._method.orders(replace(task, shuffle=shuffle), desk):
                    best = order
            except STOPPING as error:
                return found or [best], [stopped(error, desk)]
            if not found or _answered(desk) > answered:
                found.append(best)
        return found, []


def _answered(desk: Desk) -> int:
    """Return how many questions had an answer that could be read; a refused one counts as unreadable, too."""
    return desk.usage.calls + len(desk.refused) - desk.repairs[UNREADABLE]
