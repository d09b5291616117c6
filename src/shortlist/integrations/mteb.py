"""A reranker for mteb: an object with `predict`, as its cross-encoder protocol asks for.

    import mteb
    from shortlist.integrations.mteb import MtebCrossEncoder
    mteb.evaluate(MtebCrossEncoder.load("shortlist-l6"), tasks=mteb.get_tasks(["NanoNQRetrieval"]))

https://github.com/embeddings-benchmark/mteb, `mteb.models.CrossEncoderProtocol` (version 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.build.models import load_model
from shortlist.integrations.rows import pair_scores
from shortlist.protocols import Scorer
from shortlist.settings import DEFAULT_MODEL

Batches = Iterable[Mapping[str, Any]]  # of a data loader: each a mapping with the list `text`


class MtebCrossEncoder:
    """Scores mteb's pairs with a scorer; they share its batches, whichever query they are of."""

    def __init__(self, scorer: Scorer, *, name: str) -> None:
        meta = require("mteb.models.model_meta", extra="mteb").ModelMeta
        revision = scorer.fingerprint
        self._scorer = scorer
        self.mteb_model_meta = meta.create_empty(overwrites={"name": f"shortlist/{name}", "revision": revision})

    @classmethod
    def load(cls, model: str = DEFAULT_MODEL, *, kind: str | None = None, **options: Any) -> MtebCrossEncoder:
        """Load a model by name; options and errors are those of `Reranker.load`."""
        return cls(load_model(model, kind=kind, **options), name=model.rstrip("/").rpartition("/")[2])

    def predict(self, inputs1: Batches, inputs2: Batches, **_: Any) -> npt.NDArray[np.float32]:
        """Return one score a pair, `[pairs]`, of the queries of `inputs1` with the documents of `inputs2`.

        What else mteb passes on (task, split, batch size) is not needed.
        """
        return pair_scores(self._scorer, list(zip(_texts(inputs1), _texts(inputs2), strict=True)))


def _texts(batches: Batches) -> Iterator[str]:
    return chain.from_iterable(batch["text"] for batch in batches)
