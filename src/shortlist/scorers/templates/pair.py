"""How a query and a document become one sequence for a language model, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReadOut(str, Enum):
    """What becomes of the answers' logits.

    `LOGIT` is the only column as it is. `DIFFERENCE` is the first minus the second: the log odds, whose
    sigmoid is the first answer's probability among the two. `LOG_PROBABILITY` is the natural log of that
    probability, at most 0.
    """

    LOGIT = "logit"
    DIFFERENCE = "difference"
    LOG_PROBABILITY = "log probability"


@dataclass(frozen=True, slots=True)
class PairTemplate:
    r"""A prompt of pieces, each tokenised by itself: `opening`, query, `between`, document, `closing`.

    Only in `opening`, `between` and `closing` are the tokens of `special` special; queries, documents and
    instructions are data. `query` is formatted with `{query}` and `{instruction}`, and `plain_query`, if there is
    one, takes its place without an instruction. `query_end` belongs to the query's piece, and is kept when the
    query is cut. `document` is formatted with `{document}`; a piece of `closing` may be `{instruction}`.

    `answers` are names in the vocabulary; without any, the model has score heads of its own, and `cutoff_layer`
    is the one to use unless told. `max_length` is the longest sequence in tokens, all pieces counted; a model's own
    limit may be lower.
    """

    name: str
    query: str
    document: str
    opening: str = ""
    plain_query: str = ""
    query_end: str = ""
    between: str = ""
    closing: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    instruction: str = ""
    answers: tuple[str, ...] = ()
    read_out: ReadOut = ReadOut.LOGIT
    cutoff_layer: int | None = None
    max_length: int = 8192

    def query_text(self, query: str, instruction: str) -> str:
        """Return the query's piece without `query_end`."""
        if not instruction and self.plain_query:
            return self.plain_query.format(query=query)
        return self.query.format(query=query, instruction=instruction)
