"""Query likelihood: how likely a model finds the query as a question about the passage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.method import Task
from shortlist.types import Message, ScoreKind


class QueryLikelihood:
    """UPR (Sachan et al. 2022, "Improving Passage Retrieval with Zero-Shot Question Generation").

    The mean log probability of the query's tokens. Nothing is generated, so there is no
    answer that a passage could steer, and no list to be parsed. Needs a LikelihoodModel.
    """

    name = "query likelihood"
    kind = ScoreKind.LOG_LIKELIHOOD

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> Iterator[float | None]:
        """Yield one mean log probability a passage, in nats a token; None where the prompt was refused."""
        questions = (task.question([passage], _written) for passage in passages)
        for likelihood in desk.likelihoods(questions, task.query_text):
            yield None if likelihood is None else likelihood.mean


def _written(passages: Sequence[str]) -> list[Message]:
    return [Message("user", f"Passage: {passages[0]}. Please write a question based on this passage.")]
