"""How each system is loaded and asked, as its own documentation does it; imported only where it runs.

A loader takes the folder that `prepare` wrote and returns the library's version and a function from a query and its
documents to one score a document, in the given order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.speed.peers.prepare import FLASHRANK_NAME

Score = Callable[[str, Sequence[str]], Sequence[float]]
Loader = Callable[[Path], tuple[str, Score]]


def ours(**options: Any) -> Loader:
    """`Reranker.load(FOLDER).rank(query, documents)`, without a cache and without stored token ids."""

    def load(folder: Path) -> tuple[str, Score]:
        from shortlist import Reranker

        reranker = Reranker.load(str(folder / "torch"), **options)

        def score(query: str, documents: Sequence[str]) -> Sequence[float]:
            by_place = {item.doc_id: item.score for item in reranker.rank(query, documents)}
            return [float(by_place[str(place)] or 0.0) for place in range(len(documents))]

        return f"shortlist {version('shortlist')}", score

    return load


def sentence_transformers(*, files: str = "torch", **options: Any) -> Loader:
    """`CrossEncoder(FOLDER, backend=...).predict(pairs)` (https://sbert.net/docs/cross_encoder/usage/efficiency.html).

    What runs int8 or bf16 is as that page has it: `model_kwargs={"torch_dtype": "bfloat16"}`.
    """

    def load(folder: Path) -> tuple[str, Score]:
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(folder / files), device="cpu", local_files_only=True, **options)

        def score(query: str, documents: Sequence[str]) -> Sequence[float]:
            found = model.predict([(query, document) for document in documents])
            return [float(value) for value in found]

        return f"sentence-transformers {version('sentence-transformers')}", score

    return load


def flashrank(folder: Path) -> tuple[str, Score]:
    """`Ranker(model_name=..., cache_dir=...).rerank(RerankRequest(...))` (its README), fed through `cache_dir`."""
    from flashrank import Ranker, RerankRequest

    ranker = Ranker(model_name=FLASHRANK_NAME, cache_dir=str(folder / "flashrank"), max_length=512)

    def score(query: str, documents: Sequence[str]) -> Sequence[float]:
        passages = [{"id": place, "text": text} for place, text in enumerate(documents)]
        found = ranker.rerank(RerankRequest(query=query, passages=passages))
        by_place = {one["id"]: float(one["score"]) for one in found}
        return [by_place[place] for place in range(len(documents))]

    return f"FlashRank {version('FlashRank')}", score


def fastembed(folder: Path) -> tuple[str, Score]:
    """`TextCrossEncoder(model_name=...).rerank(query, documents)`, a custom model fed through `specific_model_path`."""
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    TextCrossEncoder.add_custom_model("same/weights", sources=ModelSource(hf="same/weights"))
    encoder = TextCrossEncoder("same/weights", specific_model_path=str(folder / "onnx"))
    return f"fastembed {version('fastembed')}", lambda query, documents: list(encoder.rerank(query, documents))


def infinity(folder: Path) -> tuple[str, Score]:
    """`AsyncEmbeddingEngine` started and asked to `rerank`, as in its README, without HTTP in between."""
    os.environ["INFINITY_ANONYMOUS_USAGE_STATS"] = "0"
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    args = EngineArgs(model_name_or_path=str(folder / "torch"), engine="torch", device="cpu", model_warmup=False)
    loop, model = asyncio.new_event_loop(), AsyncEmbeddingEngine.from_args(args)
    loop.run_until_complete(model.astart())

    def score(query: str, documents: Sequence[str]) -> Sequence[float]:
        found, _ = loop.run_until_complete(model.rerank(query=query, docs=list(documents)))
        by_place = {one.index: float(one.relevance_score) for one in found}
        return [by_place[place] for place in range(len(documents))]

    return f"infinity-emb {version('infinity-emb')}", score


OURS = "shortlist"
SYSTEMS: Mapping[str, Loader] = {
    f"{OURS} auto": ours(),
    f"{OURS} native int8": ours(engine="native", precision="int8"),
    f"{OURS} openvino": ours(engine="openvino"),
    f"{OURS} fp32": ours(engine="openvino", precision="fp32"),
    f"{OURS} openvino int8": ours(engine="openvino", precision="int8"),
    f"{OURS} onnxruntime": ours(engine="onnxruntime"),
    f"{OURS} onnxruntime int8": ours(engine="onnxruntime", precision="int8"),
    "sentence-transformers fp32": sentence_transformers(),
    "sentence-transformers bf16": sentence_transformers(model_kwargs={"torch_dtype": "bfloat16"}),
    "sentence-transformers onnx": sentence_transformers(files="onnx", backend="onnx"),
    "sentence-transformers openvino": sentence_transformers(files="openvino", backend="openvino"),
    "FlashRank int8": flashrank,
    "fastembed": fastembed,
    "infinity": infinity,
}
