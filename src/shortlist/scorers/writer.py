"""A template with a tokenizer: a query and its documents become token ids, with only their texts ever cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.errors import InputError
from shortlist.inference.tokens import Ids, ModelInput, Tokenizer, shared_start
from shortlist.passages.windows import LongDocuments, tokens_seen, windows
from shortlist.scorers.templates.pair import PairTemplate
from shortlist.types import QUERY_CUT, Document, Query, Truncation

_LEAST_ROOM = 8  # tokens for query and document together
_NO_IDS: Ids = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What is to be read: the `head` that all sequences share, and a tail for each reading of a document.

    `owners[i]` is the place of the document that `tails[i]` is of.
    """

    head: Ids
    tails: list[Ids]
    owners: list[int]
    truncations: tuple[Truncation, ...]

    def sequences(self, *, whole: bool) -> list[ModelInput]:
        """Return the tails as inputs, each behind the head when `whole`."""
        texts = [np.concatenate([self.head, tail]) for tail in self.tails] if whole else self.tails
        return [ModelInput(ids, len(ids)) for ids in texts]


class Writer:
    """Writes one template's sequences of at most `max_length` tokens.

    The query may take three quarters of what the template leaves, and documents the rest.
    Raises InputError when the template leaves next to nothing, and UnsupportedModelError
    when the tokenizer lacks one of its special tokens.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: PairTemplate,
        *,
        max_length: int,
        instruction: str,
        long_documents: LongDocuments,
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._instruction = instruction
        self.long_documents = long_documents
        self._opening = self._marked(template.opening)
        self._between = self._marked(template.between)
        self._closing = np.concatenate([_NO_IDS, *(self._closing_piece(piece) for piece in template.closing)])
        self._query_end = tokenizer.encode([template.query_end])[0]
        around_query = shared_start(*self._queries("a", "b")) + len(self._query_end)
        self._label = shared_start(*tokenizer.encode([template.document.format(document=d) for d in "ab"]))
        fixed = len(self._opening) + len(self._between) + len(self._closing) + around_query + self._label
        if max_length - fixed < _LEAST_ROOM:
            raise InputError(
                f"max_length={max_length} is too short: template {template.name!r} and its instruction take {fixed}"
                f" tokens, so it must be at least {fixed + _LEAST_ROOM}"
            )
        self._query_limit = around_query + (max_length - fixed) * 3 // 4
        self._around_query = around_query
        self._max_length = max_length

    def write(self, query: Query, documents: Sequence[Document]) -> Written:
        """Return what to read for each document, in input order, with what was cut."""
        piece, cut = self._query(query)
        head = np.concatenate([self._opening, piece, self._between])
        room = self._max_length - len(head) - self._label - len(self._closing)
        tails: list[Ids] = []
        owners: list[int] = []
        truncations = [cut] if cut else []
        texts = [self._template.document.format(document=d.full_text) for d in documents]
        for place, ids in enumerate(self._tokenizer.encode(texts)):
            label, body = ids[: self._label], ids[self._label :]
            doc_id = documents[place].doc_id
            readings = windows(len(body), room, self.long_documents, doc_id=doc_id)
            tails += [np.concatenate([label, *(body[a:b] for a, b in spans), self._closing]) for spans in readings]
            owners += [place] * len(readings)
            if (seen := tokens_seen(readings)) < len(body):
                truncations.append(Truncation(doc_id, seen, len(body)))
        return Written(head, tails, owners, tuple(truncations))

    def _query(self, query: Query) -> tuple[Ids, Truncation | None]:
        text = self._template.query_text(query.text, self._instruction)
        piece, without_end = self._tokenizer.encode([text + self._template.query_end, text])
        if len(piece) <= self._query_limit:
            return piece, None
        kept = without_end[: self._query_limit - len(self._query_end)]
        fixed = self._around_query
        cut = Truncation(QUERY_CUT, self._query_limit - fixed, len(piece) - fixed)
        return np.concatenate([kept, self._query_end]), cut

    def _queries(self, *queries: str) -> list[Ids]:
        return self._tokenizer.encode([self._template.query_text(query, self._instruction) for query in queries])

    def _closing_piece(self, piece: str) -> Ids:
        if piece == "{instruction}":
            return self._tokenizer.encode([self._instruction])[0]
        return self._marked(piece)

    def _marked(self, text: str) -> Ids:
        """Encode a piece of the template, in which the template's special tokens are special."""
        marks = self._template.special
        parts = re.split(f"({'|'.join(map(re.escape, marks))})", text) if marks else [text]
        ids = [self._mark(part) if part in marks else self._tokenizer.encode([part])[0] for part in parts if part]
        return np.concatenate([_NO_IDS, *ids])

    def _mark(self, token: str) -> Ids:
        return np.asarray([self._tokenizer.token_id(token)], dtype=np.int32)
