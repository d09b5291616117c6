"""mxbai-rerank v2 (base and large), as mxbai-rerank runs it; the score is the logit of "1" minus that of "0"."""

from __future__ import annotations

from shortlist.scorers.templates.pair import PairTemplate, ReadOut

MXBAI_V2 = PairTemplate(
    name="mxbai-v2",
    opening=(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n"
    ),
    query="instruction: {instruction}\nquery: {query}",
    plain_query="query: {query}",
    between="\n",
    document="document: {document}",
    closing=(
        "\n",
        "You are a search relevance expert who evaluates how well documents match search queries."
        " For each query-document pair, carefully analyze the semantic relationship between them,"
        " then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:",
        "<|im_end|>\n<|im_start|>assistant\n",
    ),
    special=("<|im_start|>", "<|im_end|>"),
    answers=("1", "0"),
    read_out=ReadOut.DIFFERENCE,
)
