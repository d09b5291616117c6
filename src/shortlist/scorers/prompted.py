"""A language model that is asked about one document at a time, and scored by the logits of its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from shortlist.inference.engine import Inferred
from shortlist.inference.load_language import LanguageModel
from shortlist.inference.session import Output
from shortlist.passages.windows import LongDocuments, best_of
from shortlist.scorers.lengths import limit_of
from shortlist.scorers.report import inference_step
from shortlist.scorers.templates import PairTemplate, ReadOut
from shortlist.scorers.writer import Writer, Written
from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms


class Prompted:
    """Scores a template's sequences; what query and documents share is read once a query, where the model can.

    Scores are what the template's `ReadOut` says, in fp32: of kind LOGIT for a logit or a
    difference of two, UNKNOWN for a log probability. Safe to call from several threads.
    """

    def __init__(
        self, stage: str, model: LanguageModel, writer: Writer, template: PairTemplate, *, fingerprint: str
    ) -> None:
        self._stage = stage
        self._model = model
        self._engine = model.loaded.engine
        self._writer = writer
        self._template = template
        self.fingerprint = fingerprint

    @classmethod
    def of(
        cls,
        stage: str,
        model: LanguageModel,
        template: PairTemplate,
        *,
        instruction: str | None = None,
        max_length: int | None = None,
        long_documents: LongDocuments | str = LongDocuments.HEAD,
    ) -> Prompted:
        """Put a scorer together; `max_length` may only lower the model's and the template's limits."""
        how, asked = LongDocuments(long_documents), template.instruction if instruction is None else instruction
        limit = limit_of(model.loaded.folder.max_length, template.max_length, asked=max_length)
        writer = Writer(
            model.loaded.engine.tokenizer, template, max_length=limit, instruction=asked, long_documents=how
        )
        asks = hashlib.sha256(f"{template!r}\0{asked}".encode()).hexdigest()[:8]
        fingerprint = f"{model.loaded.fingerprint}:{template.name}@{asks}:{limit}:{how.value}"
        return cls(stage, model, writer, template, fingerprint=fingerprint)

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order."""
        began = monotonic_ms()
        written = self._writer.write(query, documents)
        inferred = self._infer(written) if documents else _NOTHING
        values = best_of(read_out(inferred.rows, self._template.read_out), written.owners, len(documents))
        kind = ScoreKind.UNKNOWN if self._template.read_out is ReadOut.LOG_PROBABILITY else ScoreKind.LOGIT
        return Scores(values, kind, self._step(began, documents, written, inferred))

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()

    def _infer(self, written: Written) -> Inferred:
        if self._model.after is None:
            return self._engine.infer(written.sequences(whole=True))
        return self._engine.infer(written.sequences(whole=False), session=self._model.after(written.head))

    def _step(self, began: float, documents: Sequence[Document], written: Written, inferred: Inferred) -> Step:
        heads = 1 if self._model.after is not None else len(written.tails)
        tokens = heads * len(written.head) + sum(map(len, written.tails))
        return inference_step(
            self._stage,
            began=began,
            documents=documents,
            counts={"pairs": len(written.tails), "tokens": tokens},
            engine=self._engine,
            facts={
                "model": self.fingerprint,
                "template": self._template.name,
                "score": self._template.read_out.value,
                "prefix": f"{len(written.head)} tokens, read {'once' if heads == 1 else 'with every document'}",
            },
            degradations=inferred.degradations,
            cut=written.truncations,
            long_documents=self._writer.long_documents,
        )


_NOTHING = Inferred(np.empty((0, 2), dtype=np.float32))


def read_out(logits: Output, how: ReadOut) -> Output:
    """Reduce the answers' logits `[readings, answers]` to one score a reading `[readings]`."""
    if how is ReadOut.LOGIT:
        return logits[:, 0]
    difference = logits[:, 0] - logits[:, 1]
    if how is ReadOut.DIFFERENCE:
        return difference
    return np.asarray(-np.logaddexp(np.float32(0), -difference))  # log sigmoid: the log of the softmax over two
