"""Cross-encoder: query and document read together, one logit a pair."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.engine import Engine, Inferred
from shortlist.inference.load import load_engine
from shortlist.inference.session import Output, Precision
from shortlist.inference.tokens import Tokenizer
from shortlist.passages.windows import LongDocuments, best_of, windows
from shortlist.protocols import Group
from shortlist.scorers.lengths import check_length, limit_of
from shortlist.scorers.pairs import Readings, query_ids, read_pairs
from shortlist.scorers.report import inference_step
from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms


class CrossEncoder:
    """A sequence-classification transformer that scores `[CLS] query [SEP] document [SEP]` (Nogueira & Cho 2019).

    The query is never cut to make room for a document: it may take three quarters of
    `max_length` (half of it with `LongDocuments.PASSAGES_80`) and the document gets the rest.
    What did not fit is in the step's truncations. Scores are fp32 logits: one label's own, or
    of two labels the second minus the first. `prompt` stands before every query.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        fingerprint: str,
        max_length: int = 512,
        long_documents: LongDocuments = LongDocuments.HEAD,
        activation: str = "",
        prompt: str = "",
    ) -> None:
        overhead = engine.tokenizer.pair.overhead
        if max_length < overhead + 2:
            raise InputError(f"max_length={max_length} leaves no room for two texts; it must be {overhead + 2} or more")
        self._engine = engine
        self._max_length = max_length
        self._long_documents = long_documents
        self._activation = {"activation": activation} if activation else {}
        self._prompt = prompt
        self.fingerprint = f"{fingerprint}:{max_length}:{long_documents.value}"
        if prompt:
            self.fingerprint += f":{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        engine: str = "auto",
        precision: Precision | str = Precision.AUTO,
        threads: int | None = None,
        device: str = "auto",
        trust_remote_code: bool = False,
        exact: bool = False,
        max_length: int | None = None,
        long_documents: LongDocuments | str | None = None,
    ) -> CrossEncoder:
        """Load a packaged name, a folder or a hub repository; see `find_model` for errors.

        `engine` is "auto", "native", "openvino", "onnxruntime" or "torch"; the last runs on `device` ("auto", "cpu",
        "cuda", "cuda:1"), and a model's own code if `trust_remote_code`. `max_length` may only lower the
        model's own. The activation that the model's files name is a fact of each step and is not applied: order is
        decided on logits. The default prompt that they name is put before queries. `long_documents` is what the model's
        card says, else "head". `threads` defaults to the cores this process may use. `exact`: see `load_engine`.
        """
        check_length(max_length)
        loaded = load_engine(
            name,
            head="classification",
            revision=revision,
            engine=engine,
            precision=precision,
            threads=threads,
            device=device,
            trust_remote_code=trust_remote_code,
            exact=exact,
        )
        if loaded.folder.labels > 2:
            raise UnsupportedModelError(
                f"{name} has {loaded.folder.labels} labels; a cross-encoder for ranking has one or two"
            )
        if loaded.folder.is_asked_in_chat:
            raise UnsupportedModelError(
                f"{name} reads a pair through a chat template ('message' in sentence_bert_config.json), which is not"
                " run here; take the language model that it was made of, with its template (Qwen3-Reranker: 'qwen3')"
            )
        return cls(
            loaded.engine,
            fingerprint=loaded.fingerprint,
            max_length=limit_of(loaded.folder.max_length, asked=max_length),
            long_documents=LongDocuments(long_documents or loaded.folder.long_documents),
            activation=loaded.folder.activation,
            prompt=loaded.folder.default_prompt,
        )

    @property
    def tokenizer(self) -> Tokenizer:
        """What makes token ids of texts."""
        return self._engine.tokenizer

    def room(self, query: Query) -> int:
        """How many tokens of a document are read beside a query."""
        how = self._long_documents
        asked, _ = query_ids(self.tokenizer, self._asked(query), max_length=self._max_length, long_documents=how)
        return self._max_length - self.tokenizer.pair.overhead - len(asked)

    def tokens_read(self, query: Query, lengths: Sequence[int]) -> list[int]:
        """How many tokens are read of a query's pairs with documents of so many, in all readings of each."""
        room, how = self.room(query), self._long_documents
        beside = self._max_length - room
        if how is LongDocuments.ERROR:
            return [beside + min(length, room) for length in lengths]
        readings = [windows(length, room, how) for length in lengths]
        return [sum(beside + sum(b - a for a, b in spans) for spans in one) for one in readings]

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one logit a document, `[documents]` in input order."""
        return self.score_groups([(query, documents)])[0]

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return each group's logits; all groups share batches, and each step holds the latency of all."""
        began = monotonic_ms()
        readings = [self._readings(query, documents) for query, documents in groups]
        inputs = [one for reading in readings for one in reading.inputs]
        inferred = self._engine.infer(inputs) if inputs else _NOTHING
        logits = _logits(inferred.rows)
        found: list[Scores] = []
        done = 0
        for (_, documents), reading in zip(groups, readings, strict=True):
            values = best_of(logits[done : done + len(reading.inputs)], reading.owners, len(documents))
            found.append(Scores(values, ScoreKind.LOGIT, self._step(began, documents, reading, inferred)))
            done += len(reading.inputs)
        return found

    def _readings(self, query: Query, documents: Sequence[Document]) -> Readings:
        return read_pairs(
            self.tokenizer,
            self._asked(query),
            documents,
            max_length=self._max_length,
            long_documents=self._long_documents,
        )

    def _asked(self, query: Query) -> Query:
        return replace(query, text=self._prompt + query.text) if self._prompt else query

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()

    def _step(self, began: float, documents: Sequence[Document], reading: Readings, inferred: Inferred) -> Step:
        return inference_step(
            "cross-encoder",
            began=began,
            documents=documents,
            counts={"pairs": len(reading.inputs), "tokens": sum(len(i) for i in reading.inputs)},
            engine=self._engine,
            facts={"model": self.fingerprint, **self._activation},
            degradations=(*reading.notes, *inferred.degradations),
            cut=reading.truncations,
            long_documents=self._long_documents,
        )


_NOTHING = Inferred(np.empty((0, 1), dtype=np.float32))


def _logits(output: Output) -> Output:
    """`[readings, labels]` to `[readings]`; see the class for two labels."""
    return output[:, 0] if output.shape[1] == 1 else output[:, 1] - output[:, 0]
