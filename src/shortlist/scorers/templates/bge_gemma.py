"""bge-reranker-v2-gemma (Chen et al. 2024, https://arxiv.org/abs/2402.03216), as FlagEmbedding runs it.

The score is the logit of "Yes" alone; there is no "No".
"""

from __future__ import annotations

from shortlist.scorers.templates.pair import PairTemplate

BGE_GEMMA = PairTemplate(
    name="bge-gemma",
    opening="<bos>",
    query="A: {query}",
    between="\n",
    document="B: {document}",
    closing=("\n", "{instruction}"),
    special=("<bos>",),
    instruction=(
        "Given a query A and a passage B, determine whether the passage contains an answer to the query"
        " by providing a prediction of either 'Yes' or 'No'."
    ),
    answers=("Yes",),
    max_length=1024,
)
