"""Qwen3-Reranker (Zhang et al. 2025, https://arxiv.org/abs/2506.05176), as its model card runs it in transformers.

The card's vLLM example has two line breaks where this has one, and cuts into the closing piece.
"""

from __future__ import annotations

from shortlist.scorers.templates.pair import PairTemplate, ReadOut

QWEN3 = PairTemplate(
    name="qwen3",
    opening=(
        "<|im_start|>system\n"
        "Judge whether the Document meets the requirements based on the Query and the Instruct provided."
        ' Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
    ),
    query="<Instruct>: {instruction}\n<Query>: {query}",
    query_end="\n<Document>:",
    # The blank before a word is the word's in Qwen's tokenizer, so the piece can begin with it.
    document=" {document}",
    closing=("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",),
    special=("<|im_start|>", "<|im_end|>"),
    instruction="Given a web search query, retrieve relevant passages that answer the query",
    answers=("yes", "no"),
    read_out=ReadOut.DIFFERENCE,
)
