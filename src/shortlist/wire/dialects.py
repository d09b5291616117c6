"""Every dialect by its name."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.wire import cohere_v1, cohere_v2, infinity, jina, llamacpp, tei, vllm, vllm_score, voyage
from shortlist.wire.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = {
    module.DIALECT.name: module.DIALECT
    for module in (cohere_v1, cohere_v2, infinity, jina, llamacpp, tei, vllm, vllm_score, voyage)
}
