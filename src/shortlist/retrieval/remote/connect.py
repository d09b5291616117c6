"""An address becomes a connection: `qdrant:http://host:6333/NAME`, `milvus:http://host:19530/NAME`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.protocols import Encoder
from shortlist.retrieval.prepare import Tokenize
from shortlist.retrieval.remote.engine import Retrying, Server
from shortlist.retrieval.remote.milvus import MilvusServer
from shortlist.retrieval.remote.qdrant import QdrantServer
from shortlist.retrieval.remote.remote import RemoteIndex
from shortlist.transport.keys import find_key
from shortlist.transport.policy import Policy

ENGINES = ("qdrant", "milvus")

_ADDRESS = re.compile(r"(?P<engine>[a-z]+):(?P<url>.+)/(?P<name>[^/]+)/?")
_WEB = re.compile(r"(https?):/+")
_HOST = re.compile(r"[^/]+:[0-9]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")  # what both engines take


@dataclass(frozen=True, slots=True)
class Address:
    """Where a remote index is: the engine, the server's address (for Qdrant also a folder), the collection."""

    engine: str
    url: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address. Raises InputError that shows one."""
        match = _ADDRESS.fullmatch(text)
        if match is None or match["engine"] not in ENGINES:
            raise InputError(
                f"{text!r} is no address of a remote index; one looks like qdrant:http://localhost:6333/docs or"
                " milvus:http://localhost:19530/docs"
            )
        if _HOST.fullmatch(match["url"]):  # a folder's name, to Qdrant's client
            raise InputError(
                f"{text!r} names a server without http://; write {match['engine']}:http://{match['url']}/{match['name']}"
            )
        if not _NAME.fullmatch(match["name"]):
            raise InputError(
                f"{match['name']!r} cannot name a collection: letters, digits and _ only, and no digit first"
            )
        return cls(match["engine"], _WEB.sub(r"\1://", match["url"]), match["name"])  # a Path makes one slash of two

    @classmethod
    def is_one(cls, text: str) -> bool:
        """Say whether a text begins like an address, rather than like a folder."""
        return text.partition(":")[0] in ENGINES and ":" in text

    def __str__(self) -> str:
        return f"{self.engine}:{self.url}/{self.name}"


def connect(address: Address, *, environ: Mapping[str, str], policy: Policy | None = None) -> Server:
    """Connect to the engine of an address, with the key in QDRANT_API_KEY or MILVUS_TOKEN.

    `policy` says how long one attempt of a call may take. Raises RemoteError's kinds, MissingExtraError.
    """
    timeout_s = (policy or Policy()).attempt_budget_ms / 1000
    if address.engine == "qdrant":
        key = find_key(None, ["QDRANT_API_KEY"], environ, required=False)
        return QdrantServer.connect(address.url, api_key=key.reveal() if key else None, timeout_s=timeout_s)
    token = find_key(None, ["MILVUS_TOKEN"], environ, required=False)
    return MilvusServer.connect(address.url, token=token.reveal() if token else None, timeout_s=timeout_s)


def open_remote(
    address: Address,
    *,
    environ: Mapping[str, str],
    encoder: Encoder | None = None,
    tokenize: Tokenize | None = None,
    policy: Policy | None = None,
) -> RemoteIndex:
    """Open the index at an address. Raises IndexNotFoundError, IndexMismatchError, RemoteError's kinds."""
    retrying = Retrying(policy or Policy())
    server, _ = retrying(lambda: connect(address, environ=environ, policy=policy))
    try:
        return RemoteIndex(server, address.name, encoder=encoder, tokenize=tokenize, retrying=retrying)
    except BaseException:
        server.close()
        raise
