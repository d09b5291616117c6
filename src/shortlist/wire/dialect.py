"""A dialect: the facts of one wire format and its translations, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.values import RerankRequest, RerankResponse


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may hold; None where nothing is stated.

    `documents` of a call, `document_characters` of one document, `query_tokens` of the query,
    `pair_tokens` of query and document together, `call_tokens` of all pairs of a call,
    `call_bytes` of its body.
    """

    documents: int | None = None
    document_characters: int | None = None
    query_tokens: int | None = None
    pair_tokens: int | None = None
    call_tokens: int | None = None
    call_bytes: int | None = None


UNLIMITED = Limits()


def bearer(key: str) -> Mapping[str, str]:
    """Return the header in which most formats carry a key."""
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format, for a client (encode requests, decode responses) and for a server (the reverse).

    `paths` are where servers of the dialect listen, the usual one first. `fields` are the
    optional fields of a RerankRequest that it can say. `score_kind` is what scores are by
    default, `raw_score_kind` what `raw_scores` asks for.

    `encode_request` raises InputError for what the format cannot say; `decode_request` and
    `decode_response` raise WireError. `decode_response` is told the request, since only
    that says how many results there must be. A client reads any dialect's error with
    `find_message`, since what answers may be a gateway in between. `headers` are those that
    go with a key.
    """

    name: str
    paths: tuple[str, ...]
    fields: frozenset[str]
    score_kind: ScoreKind
    encode_request: Callable[[RerankRequest], Any]
    decode_request: Callable[[Any], RerankRequest]
    encode_response: Callable[[RerankResponse], Any]
    decode_response: Callable[[Any, RerankRequest], RerankResponse]
    encode_error: Callable[[Fault, str], ErrorReply]
    limits: Limits = UNLIMITED
    raw_score_kind: ScoreKind | None = None
    returns_documents: bool = False
    headers: Callable[[str], Mapping[str, str]] = bearer
