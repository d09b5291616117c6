"""Query likelihood: how likely a model finds the query as a question about the passage."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.scorers.llm.desk import Asking
from shortlist.scorers.llm.fence import warned
from shortlist.scorers.llm.method import Task
from shortlist.types import Message, Prompt, ScoreKind


class QueryLikelihood:
    """UPR (Sachan et al. 2022, "Improving Passage Retrieval with Zero-Shot Question Generation").

    The mean log probability of the query's tokens. Nothing is generated, so there is no
    answer that a passage could steer, and no list to be parsed. Needs a LikelihoodModel.
    """

    name = "query likelihood"
    kind = ScoreKind.LOG_LIKELIHOOD

    def scores(self, task: Task, passages: Sequence[str], desk: Asking) -> list[float]:
        """Return one mean log probability a passage, in nats a token."""
        asked = [(_question(passage, task), task.query_text) for passage in passages]
        return [likelihood.mean for likelihood in desk.likelihoods(asked)]


def _question(passage: str, task: Task) -> Prompt:
    message = Message("user", f"Passage: {passage}. Please write a question based on this passage.")
    return Prompt(warned([message]) if task.fenced else (message,))
