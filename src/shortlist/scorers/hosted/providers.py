"""The servers that are known by kind, and how each is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from shortlist.errors import InputError
from shortlist.scorers.hosted.prices import find_price
from shortlist.scorers.hosted.scorer import Asking, Hosted
from shortlist.transport import Client, Policy, Secret, find_key
from shortlist.types import ScoreKind
from shortlist.wire import DIALECTS, Limits, RerankRequest
from shortlist.wire.errors import find_message


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of server.

    `base_url` is empty where everyone runs their own, whose address then stands in the
    model's place. `template` holds what every request says. `listwise` names models whose
    scores depend on the other documents of a call, with how many a call takes. `limits`, `kinds` (of
    scores) and `templates` are of models that have others. `prices` is its table in a price list.
    """

    dialect: str
    base_url: str
    key_variables: tuple[str, ...]
    template: RerankRequest
    listwise: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
    kinds: Mapping[str, ScoreKind] = field(default_factory=dict)
    templates: Mapping[str, RerankRequest] = field(default_factory=dict)
    prices: str = ""
    refuses: Callable[[int, str], bool] = lambda status, message: False


def _too_long_for_llamacpp(status: int, message: str) -> bool:
    return "increase the physical batch size" in message  # a 500, though it is one document that is too long


_SAYS_NOTHING = RerankRequest("", ())
_VOYAGE = DIALECTS["voyage"].limits
_MIXEDBREAD = DIALECTS["mixedbread"].limits
_PINECONE = DIALECTS["pinecone"].limits
_NOT_BACK = replace(_SAYS_NOTHING, return_documents=False)
_CUT = replace(_NOT_BACK, truncate=True)

PROVIDERS: Mapping[str, Provider] = {
    "cohere": Provider(
        "cohere-v2", "https://api.cohere.com", ("COHERE_API_KEY", "CO_API_KEY"), _SAYS_NOTHING, prices="cohere"
    ),
    "cohere-v1": Provider(
        "cohere-v1",
        "https://api.cohere.com",
        ("COHERE_API_KEY", "CO_API_KEY"),
        _NOT_BACK,
        prices="cohere",
    ),
    "voyage": Provider(
        "voyage",
        "https://api.voyageai.com",
        ("VOYAGE_API_KEY",),
        replace(_SAYS_NOTHING, truncate=True),
        limits={
            "rerank-2": replace(_VOYAGE, query_tokens=4_000, pair_tokens=16_000),
            "rerank-2-lite": replace(_VOYAGE, query_tokens=2_000, pair_tokens=8_000),
        },
        prices="voyage",
    ),
    "jina": Provider(
        "jina",
        "https://api.jina.ai",
        ("JINA_API_KEY",),
        _NOT_BACK,
        listwise={"jina-reranker-v3": 64},
        kinds={"jina-reranker-v3": ScoreKind.SIMILARITY},
        prices="jina",
    ),
    "mixedbread": Provider(
        "mixedbread",
        "https://api.mixedbread.com",
        ("MXBAI_API_KEY",),
        _NOT_BACK,
        limits={
            f"mixedbread-ai/mxbai-rerank-{size}-v1": replace(_MIXEDBREAD, pair_tokens=512)
            for size in ("xsmall", "base", "large")
        },
    ),
    "pinecone": Provider(
        "pinecone",
        "https://api.pinecone.io",
        ("PINECONE_API_KEY",),
        _NOT_BACK,
        limits={
            "bge-reranker-v2-m3": replace(_PINECONE, pair_tokens=1_024),
            "cohere-rerank-3.5": replace(_PINECONE, documents=200, pair_tokens=40_000),
            "pinecone-rerank-v0": replace(_PINECONE, pair_tokens=512),
        },
        templates={"bge-reranker-v2-m3": _CUT, "pinecone-rerank-v0": _CUT},  # the others have no such parameter
    ),
    "isaacus": Provider("isaacus", "https://api.isaacus.com", ("ISAACUS_API_KEY",), _SAYS_NOTHING),
    "tei": Provider("tei", "", ("TEI_API_KEY",), replace(_SAYS_NOTHING, truncate=True, raw_scores=True)),
    "vllm": Provider("vllm", "", ("VLLM_API_KEY",), replace(_SAYS_NOTHING, truncate=True)),
    "vllm-score": Provider("vllm-score", "", ("VLLM_API_KEY",), replace(_SAYS_NOTHING, truncate=True)),
    "infinity": Provider("infinity", "", ("INFINITY_API_KEY",), replace(_SAYS_NOTHING, raw_scores=True)),
    "llamacpp": Provider("llamacpp", "", ("LLAMA_API_KEY",), _SAYS_NOTHING, refuses=_too_long_for_llamacpp),
}


def load_hosted(
    kind: str,
    name: str,
    *,
    base_url: str = "",
    served_model: str = "",
    api_key: str | Secret | None = None,
    raw_scores: bool | None = None,
    score_kind: ScoreKind | str | None = None,
    max_document_tokens: int | None = None,
    documents_per_call: int | None = None,
    concurrency: int = 4,
    budget_ms: float = 30_000,
    attempt_budget_ms: float = 10_000,
    retries: int = 3,
    first_pause_ms: float = 500,
    prices: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Hosted:
    """Make a scorer that asks a server; nothing is sent yet.

    `name` is the model of a hosted API, or the address of a server of one's own, whose
    model `served_model` may name. `base_url` points a hosted kind elsewhere. The key is
    `api_key`, or in the environment (`environ`, by default the process's). `raw_scores`
    asks for logits where the format can. `score_kind` says what the scores are where the
    server does not. `budget_ms` is for all of one scoring, with `retries` of each call,
    after pauses that grow from `first_pause_ms`.
    Raises AuthenticationError without a key that is needed, InputError for a bad address
    or number and for what the format has no field for, MissingExtraError without the extra `hosted`.
    """
    provider = PROVIDERS[kind]
    if (documents_per_call is not None and documents_per_call < 1) or concurrency < 1:
        raise InputError(f"documents_per_call and concurrency count from 1; got {documents_per_call}, {concurrency}")
    dialect = DIALECTS[provider.dialect]
    model = name if provider.base_url else served_model
    listwise = provider.listwise.get(model)
    limits = provider.limits.get(model, dialect.limits)
    stated = limits.documents if listwise is None else listwise
    said = provider.templates.get(model, provider.template)
    raw = said.raw_scores if raw_scores is None else raw_scores
    template = replace(said, model=model, max_document_tokens=max_document_tokens, raw_scores=raw)
    variables = provider.key_variables
    client = Client(
        (base_url or provider.base_url) if provider.base_url else name,
        key=find_key(api_key, variables, os.environ if environ is None else environ, required=bool(provider.base_url)),
        policy=Policy(budget_ms, attempt_budget_ms, retries, first_pause_ms),
        message_of=find_message,
        key_hint=f"the key is {' or '.join(variables)} in the environment, or api_key=...",
        refuses=provider.refuses,
        headers_of=dialect.headers,
    )
    dialect.encode_request(template)  # what the format cannot say is a mistake now, not at the first query
    asking = Asking(
        template,
        replace(limits, documents=documents_per_call or stated),
        concurrency=concurrency,
        is_listwise=listwise is not None,
        score_kind=provider.kinds.get(model) if score_kind is None else ScoreKind(score_kind),
    )
    return Hosted(client, dialect, asking, price=find_price(provider.prices or kind, model, file=prices))


cohere = partial(load_hosted, "cohere")
cohere_v1 = partial(load_hosted, "cohere-v1")
voyage = partial(load_hosted, "voyage")
jina = partial(load_hosted, "jina")
mixedbread = partial(load_hosted, "mixedbread")
pinecone = partial(load_hosted, "pinecone")
isaacus = partial(load_hosted, "isaacus")
tei = partial(load_hosted, "tei")
vllm = partial(load_hosted, "vllm")
vllm_score = partial(load_hosted, "vllm-score")
infinity = partial(load_hosted, "infinity")
llamacpp = partial(load_hosted, "llamacpp")
