"""Every dialect by its name."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.wire import (
    cohere_v1,
    cohere_v2,
    infinity,
    isaacus,
    jina,
    llamacpp,
    mixedbread,
    pinecone,
    tei,
    vllm,
    vllm_score,
    voyage,
)
from shortlist.wire.dialect import Dialect

_MODULES = (
    cohere_v1,
    cohere_v2,
    infinity,
    isaacus,
    jina,
    llamacpp,
    mixedbread,
    pinecone,
    tei,
    vllm,
    vllm_score,
    voyage,
)

DIALECTS: Mapping[str, Dialect] = {module.DIALECT.name: module.DIALECT for module in _MODULES}
