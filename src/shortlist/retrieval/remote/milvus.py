"""Milvus, as a server or a cluster, over gRPC; milvus-lite serves the same protocol from one process.

A row carries its vector ("dense"), its words with their weights ("words", a sparse vector), the document,
its order and its facets. The idf comes with the query, from document frequencies that were counted when
the index was pushed and that lie in a second collection, NAME_words: Milvus has a BM25 of its own, but its
analyzer is another, and in milvus-lite every segment has an idf of its own.

Of the levels of consistency that Milvus names, "Strong" is asked for: a search sees every acknowledged
write, and waits for it. A shard that no query node serves fails the whole search.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import (
    AuthenticationError,
    IndexNotFoundError,
    InputError,
    RateLimitedError,
    RemoteError,
    RemoteRequestError,
    RemoteUnavailableError,
)
from shortlist.retrieval.filters import AnyOf, Condition, Within
from shortlist.retrieval.remote.engine import Spread
from shortlist.retrieval.remote.points import Layout, Point, Stored, doc_ids_of
from shortlist.retrieval.remote.terms import Statistics, Terms

_LAYOUT = "shortlist.layout"
_RECORD_BYTES = 65_535  # the longest text that Milvus takes
_TERMS_AT_MOST = 4096  # the longest list
_NUMBERS_AT_MOST = 16  # a list's numbers can only be compared one by one
_NO_WORD = 2**31  # stands for "no words" where a sparse vector must not be empty; real ids are below it
_WORDS_A_ROW = 3000
_HITS_AT_MOST = 16_384
_KEPT = ["order", "record"]
_CONSISTENCY = "Strong"
_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
# gRPC's own words for what pymilvus passes on as text, and Milvus's codes (pkg/util/merr)
_UNAVAILABLE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "closed channel")
_TOO_BUSY = frozenset({8, 9, 12})  # rate limit, disk and memory quotas
_NOT_FOUND = frozenset({100})
_UNAUTHENTICATED = frozenset({1400, 1401, 1402, 1403})
_TRANSIENT = frozenset({1, 2, 3, 5, 101, 106, 503, 700, 901, 902})  # not ready, not loaded or indexed (yet), no leader


class MilvusServer:
    """A Milvus server; make one with `connect`."""

    def __init__(self, client: Any, *, name: str, timeout_s: float) -> None:
        self._client, self.name, self._timeout_s = client, name, timeout_s

    @classmethod
    def connect(cls, url: str, *, token: str | None = None, timeout_s: float = 10.0) -> MilvusServer:
        """Connect to an address. Raises RemoteUnavailableError, AuthenticationError, MissingExtraError."""
        client_of = require("pymilvus", extra="milvus").MilvusClient
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs every error that it also raises
        name = f"milvus:{url}"
        with _translated(name):
            client = client_of(uri=url, token=token or "", timeout=timeout_s)
        return cls(client, name=name, timeout_s=timeout_s)

    def open(self, name: str) -> MilvusCollection:
        """Open a collection by its name or an alias."""
        with _translated(self.name):
            if not self._client.has_collection(name, timeout=self._timeout_s):
                raise IndexNotFoundError(f"{self.name} has no collection {name!r}; make it with `shortlist index push`")
            described = self._client.describe_collection(name, timeout=self._timeout_s)
        layout = Layout.from_json(described.get("properties", {}).get(_LAYOUT), name=f"{self.name}/{name}")
        real = described.get("collection_name", name)
        statistics = self._statistics(_words_of(real), layout)
        return MilvusCollection(self._client, name, layout, statistics, server=self.name, timeout_s=self._timeout_s)

    def create(self, name: str, layout: Layout, statistics: Statistics, spread: Spread) -> MilvusCollection:
        """Make an empty collection, and the one that holds the statistics."""
        with _translated(self.name):
            self._make_words(name, statistics)
            types = require("pymilvus", extra="milvus").DataType
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("key", types.VARCHAR, is_primary=True, max_length=32)
            schema.add_field("order", types.INT64)
            schema.add_field("record", types.VARCHAR, max_length=_RECORD_BYTES)
            schema.add_field("terms", types.ARRAY, element_type=types.INT64, max_capacity=_TERMS_AT_MOST)
            schema.add_field("numbers", types.JSON)
            schema.add_field("has_vector", types.BOOL)
            # a collection without vectors carries one number, as the embedded engine's shard does
            schema.add_field("dense", types.FLOAT_VECTOR, dim=max(2, layout.manifest.dimension))
            schema.add_field("words", types.SPARSE_FLOAT_VECTOR)
            indexes = self._client.prepare_index_params()
            if layout.has_graph:
                params = {"M": 16, "efConstruction": 128}
                indexes.add_index("dense", index_type="HNSW", metric_type="COSINE", params=params)
            else:
                indexes.add_index("dense", index_type="FLAT", metric_type="COSINE")
            indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
            self._client.create_collection(
                name,
                schema=schema,
                index_params=indexes,
                num_shards=spread.shards,
                properties={_LAYOUT: layout.to_json()},
                consistency_level=_CONSISTENCY,
            )
            self._client.load_collection(name, replica_number=spread.replicas)
        return self.open(name)

    def finish(self, name: str) -> None:
        """Seal what was written, so that it is indexed."""
        with _translated(self.name):
            self._client.flush(name)

    def behind(self, alias: str) -> str | None:
        """Return which collection an alias stands for."""
        with _translated(self.name):
            for name in self._client.list_collections(timeout=self._timeout_s):
                if alias in self._client.list_aliases(name, timeout=self._timeout_s).get("aliases", ()):
                    return str(name)
        return None

    def has(self, name: str) -> bool:
        """Say whether there is a collection of this name."""
        with _translated(self.name):
            return name in self._client.list_collections(timeout=self._timeout_s)

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection, in one step."""
        before = self.behind(alias)
        with _translated(self.name):
            (self._client.create_alias if before is None else self._client.alter_alias)(name, alias)

    def drop(self, name: str) -> None:
        """Remove a collection and its statistics."""
        with _translated(self.name):
            for one in (name, _words_of(name)):
                if self._client.has_collection(one, timeout=self._timeout_s):
                    self._client.drop_collection(one)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _make_words(self, name: str, statistics: Statistics) -> None:
        types = require("pymilvus", extra="milvus").DataType
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("part", types.INT64, is_primary=True)
        schema.add_field("content", types.VARCHAR, max_length=_RECORD_BYTES)
        schema.add_field("unused", types.FLOAT_VECTOR, dim=2)  # a collection must have a vector
        indexes = self._client.prepare_index_params()
        indexes.add_index("unused", index_type="FLAT", metric_type="L2")
        if self._client.has_collection(_words_of(name), timeout=self._timeout_s):  # of an attempt that was cut off
            self._client.drop_collection(_words_of(name))
        self._client.create_collection(_words_of(name), schema=schema, index_params=indexes)
        self._client.load_collection(_words_of(name))
        rows = [
            {"part": part, "content": content, "unused": [0.0, 0.0]} for part, content in enumerate(_packed(statistics))
        ]
        for start in range(0, len(rows), 50):
            self._client.upsert(_words_of(name), rows[start : start + 50], timeout=self._timeout_s)
        self._client.flush(_words_of(name))

    def _statistics(self, name: str, layout: Layout) -> Statistics:
        with _translated(f"{self.name}/{name}"):
            rows = self._client.query(
                name,
                filter="part >= 0",
                output_fields=["part", "content"],
                limit=_HITS_AT_MOST,
                consistency_level=_CONSISTENCY,
                timeout=self._timeout_s,
            )
        return _unpacked([row["content"] for row in sorted(rows, key=lambda row: row["part"])], layout.average_length)


class MilvusCollection:
    """One collection of a Milvus server."""

    def __init__(
        self,
        client: Any,
        collection: str,
        layout: Layout,
        statistics: Statistics,
        *,
        server: str,
        timeout_s: float,
    ) -> None:
        self._client, self._collection, self.layout, self._statistics = client, collection, layout, statistics
        self.name = f"{server}/{collection}"
        self._timeout_s = timeout_s

    def write(self, points: Sequence[Point]) -> None:
        """Add points, replacing those of the same key. Raises InputError for one that Milvus cannot hold."""
        rows = [self._row(point) for point in points]
        if rows:
            with _translated(self.name):
                self._client.upsert(self._collection, rows, timeout=self._timeout_s)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove points."""
        with _translated(self.name):
            self._client.delete(self._collection, ids=list(keys), timeout=self._timeout_s)

    def fetch(self, key: str) -> Stored | None:
        """Return a point, or None."""
        with _translated(self.name):
            found = self._client.query(
                self._collection,
                ids=[key],
                output_fields=[*_KEPT, "has_vector", "dense"],
                consistency_level=_CONSISTENCY,
                timeout=self._timeout_s,
            )
        return _stored(found[0], 0.0) if found else None

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """Return how many points meet the conditions."""
        with _translated(self.name):
            found = self._client.query(
                self._collection,
                filter=_filter(conditions),
                output_fields=["count(*)"],
                consistency_level=_CONSISTENCY,
                timeout=self._timeout_s,
            )
        return int(found[0]["count(*)"])

    def search_terms(self, counts: Terms, *, limit: int, conditions: Sequence[Condition]) -> list[Stored]:
        """Return the points with the highest BM25; each word of the query counts once."""
        weights = self._statistics.idf(counts.ids)
        query = dict(zip(counts.ids.tolist(), weights.tolist(), strict=True))
        return self._search(query, "words", "IP", limit, _filter(conditions))

    def search_vector(
        self, vector: npt.NDArray[np.float32], *, limit: int, conditions: Sequence[Condition]
    ) -> list[Stored]:
        """Return the points with the highest cosine."""
        wanted = " and ".join(filter(None, ["has_vector == true", _filter(conditions)]))
        return self._search(vector.tolist(), "dense", "COSINE", limit, wanted)

    def _search(self, query: Any, field: str, metric: str, limit: int, wanted: str) -> list[Stored]:
        with _translated(self.name):
            (found,) = self._client.search(
                self._collection,
                data=[query],
                anns_field=field,
                limit=min(limit, _HITS_AT_MOST),
                filter=wanted,
                output_fields=[*_KEPT, "has_vector", "dense"],
                search_params={"metric_type": metric, "params": self._params(field, limit)},
                consistency_level=_CONSISTENCY,
                timeout=self._timeout_s,
            )
        return [_stored(hit["entity"], float(hit["distance"])) for hit in found]

    def _params(self, field: str, limit: int) -> dict[str, int]:
        return {"ef": max(256, 2 * limit)} if field == "dense" and self.layout.has_graph else {}

    def _row(self, point: Point) -> dict[str, Any]:
        self._check(point)
        dimension = max(2, self.layout.manifest.dimension)
        filler = [1.0] + [0.0] * (dimension - 1)  # a cosine needs a length; `has_vector` keeps it out of searches
        words = dict(zip(point.terms.ids.tolist(), point.terms.weights.tolist(), strict=True))
        return {
            "key": point.key,
            "order": point.order,
            "record": point.record,
            "terms": list(point.facets.terms),
            "numbers": {field: list(values) for field, values in point.facets.numbers.items()},
            "has_vector": point.vector is not None,
            "dense": filler if point.vector is None else point.vector.tolist(),
            "words": words or {_NO_WORD: 1.0},
        }

    def _check(self, point: Point) -> None:
        size, (doc_id,) = len(point.record.encode("utf-8")), doc_ids_of([point])
        if size > _RECORD_BYTES:
            raise InputError(
                f"document {doc_id!r} takes {size} bytes with its metadata and token ids, and Milvus holds at most"
                f" {_RECORD_BYTES} in one row; index passages instead of whole documents"
            )
        longest = max(map(len, point.facets.numbers.values()), default=0)
        if len(point.facets.terms) > _TERMS_AT_MOST or longest > _NUMBERS_AT_MOST:
            raise InputError(
                f"document {doc_id!r} has {len(point.facets.terms)} metadata values and {longest} numbers in one field;"
                f" Milvus is given at most {_TERMS_AT_MOST} and {_NUMBERS_AT_MOST}"
            )


def _words_of(name: str) -> str:
    return f"{name}_words"


def _packed(statistics: Statistics) -> list[str]:
    """Write statistics as texts that fit into rows: the totals, then ids and frequencies."""
    pairs = np.stack([statistics.ids, statistics.frequencies], axis=1).astype("<i8")  # [words, 2]
    parts = [pairs[start : start + _WORDS_A_ROW] for start in range(0, len(pairs), _WORDS_A_ROW)]
    totals = json.dumps({"documents": statistics.documents})
    return [totals, *(base64.b64encode(part.tobytes()).decode("ascii") for part in parts)]


def _unpacked(contents: Sequence[str], average_length: float) -> Statistics:
    documents = int(json.loads(contents[0])["documents"]) if contents else 0
    data = b"".join(base64.b64decode(content) for content in contents[1:])
    pairs = np.frombuffer(data, "<i8").reshape(-1, 2)
    return Statistics(documents, average_length, pairs[:, 0].copy(), pairs[:, 1].copy())


def _filter(conditions: Sequence[Condition]) -> str:
    return " and ".join(_condition(condition) for condition in conditions)


def _condition(condition: Condition) -> str:
    if isinstance(condition, AnyOf):
        return f"array_contains_any(terms, {list(condition.terms)})"
    # any one number of the field must lie within all bounds; a place that is not there compares false
    return "(" + " or ".join(_within(condition, place) for place in range(_NUMBERS_AT_MOST)) + ")"


def _within(condition: Within, place: int) -> str:
    value = f'numbers["{condition.number}"][{place}]'
    return "(" + " and ".join(f"{value} {_OPERATORS[op]} {bound!r}" for op, bound in condition.bounds.items()) + ")"


def _stored(row: Any, score: float) -> Stored:
    vector = np.asarray(row["dense"], np.float32) if row["has_vector"] else None
    return Stored(int(row["order"]), row["record"], vector, score)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    pymilvus, grpc = require("pymilvus", extra="milvus"), require("grpc", extra="milvus")
    try:
        yield
    except pymilvus.MilvusException as error:
        raise _our_error(error, name) from error
    except grpc.RpcError as error:
        raise RemoteUnavailableError(f"{name} cannot be reached or is too slow: {error.code().name}") from error
    except ValueError as error:
        if "closed channel" not in str(error):
            raise
        raise RemoteUnavailableError(f"the connection to {name} was closed") from error


def _our_error(error: Any, name: str) -> RemoteError | IndexNotFoundError:
    said, code = str(error.message), int(error.code)
    if code in _NOT_FOUND:
        return IndexNotFoundError(f"{name}: {said}; make it with `shortlist index push`")
    if code in _UNAUTHENTICATED or "unauthenticated" in said.lower():
        return AuthenticationError(f"{name} refuses: {said}; set MILVUS_TOKEN to user:password or a token")
    if code in _TOO_BUSY:
        return RateLimitedError(f"{name} has too much to do: {said}")
    if code in _TRANSIENT or any(word in said for word in _UNAVAILABLE):
        return RemoteUnavailableError(f"{name} cannot be reached or is too slow: {said}")
    return RemoteRequestError(f"{name} refuses (code {code}): {said}")
