"""Late interaction: every token of the query finds its best match among the document's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.inference.colbert import Layout, read_layout
from shortlist.inference.engine import Engine
from shortlist.inference.load import load_engine
from shortlist.inference.session import Output, Precision
from shortlist.inference.tokens import Ids, ModelInput
from shortlist.passages.windows import LongDocuments, best_of, tokens_seen, windows
from shortlist.scorers.lengths import check_length
from shortlist.scorers.report import inference_step
from shortlist.types import QUERY_CUT, Document, Query, ScoreKind, Scores, Step, Truncation, monotonic_ms


class LateInteraction:
    """ColBERT's MaxSim: the sum over query tokens of the highest cosine with a document token (Khattab & Zaharia 2020).

    Queries are augmented with [MASK] tokens and both sides have their marker tokens where the
    model was trained so (ColBERTv2, https://arxiv.org/abs/2112.01488). A query longer than the model's
    query length is cut, which is said in the step. Scores are sums of cosines.
    """

    def __init__(
        self,
        engine: Engine,
        layout: Layout,
        *,
        fingerprint: str,
        long_documents: LongDocuments = LongDocuments.HEAD,
    ) -> None:
        self._engine = engine
        self._layout = layout
        self._long_documents = long_documents
        self.fingerprint = f"{fingerprint}:{layout.fingerprint()}:{long_documents.value}"

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
        max_length: int | None = None,
        long_documents: LongDocuments | str = LongDocuments.HEAD,
    ) -> LateInteraction:
        """Load a folder or a hub repository in the layout of ColBERT, PyLate or sentence-transformers.

        `max_length` is how many tokens of a document are read, special tokens included: by default as many as the
        model was trained on, at most as many as it has positions for. Other options and errors are those of
        `CrossEncoder.load`.
        """
        check_length(max_length)
        loaded = load_engine(
            name,
            head="token_embeddings",
            revision=revision,
            engine=engine,
            precision=precision,
            threads=threads,
            device=device,
        )
        layout = read_layout(loaded.folder, loaded.engine.tokenizer, document_length=max_length)
        how = LongDocuments(long_documents)
        return cls(loaded.engine, layout, fingerprint=loaded.fingerprint, long_documents=how)

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one sum a document, `[documents]` in input order."""
        began = monotonic_ms()
        asked, cut = self._query(query)
        inputs, owners, truncations = self._readings(documents)
        embedded = self._engine.run_tokens([asked, *inputs]) if inputs else []
        sums = [self._max_sim(embedded[0], one, i.ids) for one, i in zip(embedded[1:], inputs, strict=True)]
        values = best_of(np.asarray(sums, dtype=np.float32), owners, len(documents))
        return Scores(values, ScoreKind.SIMILARITY, self._step(began, documents, inputs, (*cut, *truncations)))

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()

    def _max_sim(self, query: Output, document: Output, ids: Ids) -> float:
        kept = document[~np.isin(ids, self._layout.skipped)]  # [tokens, dimension]
        return float((query @ kept.T).max(axis=1).sum())  # [query tokens, tokens]

    def _query(self, query: Query) -> tuple[ModelInput, tuple[Truncation, ...]]:
        tokenizer, side = self._engine.tokenizer, self._layout.query
        ids, room = tokenizer.encode([side.lead + query.text])[0], self._layout.room(side, tokenizer)
        cut = (Truncation(QUERY_CUT, room, len(ids)),) if len(ids) > room else ()
        return self._layout.query_input(ids[:room], tokenizer), cut

    def _readings(self, documents: Sequence[Document]) -> tuple[list[ModelInput], list[int], list[Truncation]]:
        """Return the inputs, the place of the document each is of, and what was cut."""
        tokenizer, side = self._engine.tokenizer, self._layout.document
        room = self._layout.room(side, tokenizer)
        inputs, owners, cut = list[ModelInput](), list[int](), list[Truncation]()
        for place, ids in enumerate(tokenizer.encode([side.lead + d.full_text for d in documents])):
            readings = windows(len(ids), room, self._long_documents, doc_id=documents[place].doc_id)
            texts = (np.concatenate([ids[a:b] for a, b in spans]) for spans in readings)
            inputs += [self._layout.document_input(text, tokenizer) for text in texts]
            owners += [place] * len(readings)
            if (seen := tokens_seen(readings)) < len(ids):
                cut.append(Truncation(documents[place].doc_id, seen, len(ids)))
        return inputs, owners, cut

    def _step(
        self, began: float, documents: Sequence[Document], inputs: Sequence[ModelInput], cut: tuple[Truncation, ...]
    ) -> Step:
        return inference_step(
            "late-interaction",
            began=began,
            documents=documents,
            counts={"readings": len(inputs), "tokens": sum(len(i) for i in inputs)},
            engine=self._engine,
            facts={"model": self.fingerprint},
            degradations=(),
            cut=cut,
            long_documents=self._long_documents,
        )
