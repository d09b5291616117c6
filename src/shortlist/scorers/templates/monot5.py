"""monoT5 (Nogueira et al. 2020, https://arxiv.org/abs/2003.06713): log p(true) among true and false.

T5's tokenizer works word by word, so the pieces give the ids of the whole text
"Query: {query} Document: {document} Relevant:".
"""

from __future__ import annotations

from shortlist.scorers.templates.pair import PairTemplate, ReadOut

MONOT5 = PairTemplate(
    name="monot5",
    query="Query: {query}",
    query_end=" Document:",
    document="{document}",
    closing=(" Relevant:", "</s>"),
    special=("</s>",),
    answers=("▁true", "▁false"),
    read_out=ReadOut.LOG_PROBABILITY,
    max_length=512,
)
