"""Qdrant, as a server, a cluster, or qdrant-client's local mode.

A point carries its vector ("dense"), its words ("words", a sparse vector that the server multiplies with
the idf of that moment), and as payload the document, its order and its facets.

A write returns when it is applied (`wait`), with replicas by a majority of them; a read asks one.
A shard of which no replica answers fails the whole search: Qdrant gives no partial results.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import IndexLockedError, IndexNotFoundError, RateLimitedError, RemoteUnavailableError
from shortlist.retrieval.filters import AnyOf, Condition
from shortlist.retrieval.remote.engine import Spread
from shortlist.retrieval.remote.points import Layout, Point, Stored
from shortlist.retrieval.remote.terms import Statistics, Terms
from shortlist.transport.failures import failure_of

_LAYOUT = "shortlist"
_KEPT = ["order", "record"]


class QdrantServer:
    """A Qdrant server through its REST API; make one with `connect`."""

    def __init__(self, client: Any, *, name: str, is_server: bool = True) -> None:
        self._client, self.name, self._is_server = client, name, is_server

    @classmethod
    def connect(cls, url: str, *, api_key: str | None = None, timeout_s: float = 10.0) -> QdrantServer:
        """Connect to an address, or open a folder or ":memory:" in the client's local mode, which is exact and slow.

        Nothing is asked yet. Raises MissingExtraError.
        """
        client_of = require("qdrant_client", extra="qdrant").QdrantClient
        is_server = url.startswith(("http://", "https://"))
        if is_server:
            # the version check would ask the server at once, and warn where it cannot
            client = client_of(
                url=url, port=None, api_key=api_key, timeout=max(1, round(timeout_s)), check_compatibility=False
            )
        else:
            with _translated(f"qdrant:{url}"):
                client = client_of(location=url) if url == ":memory:" else client_of(path=url)
        return cls(client, name=f"qdrant:{url}", is_server=is_server)

    def open(self, name: str) -> QdrantCollection:
        """Open a collection by its name or an alias."""
        with _translated(self.name):
            if not self._client.collection_exists(self.behind(name) or name):
                raise IndexNotFoundError(f"{self.name} has no collection {name!r}; make it with `shortlist index push`")
            metadata = self._client.get_collection(name).config.metadata or {}
        layout = Layout.from_json(metadata.get(_LAYOUT), name=f"{self.name}/{name}")
        return QdrantCollection(self._client, name, layout, server=self.name, is_server=self._is_server)

    def create(self, name: str, layout: Layout, statistics: Statistics, spread: Spread) -> QdrantCollection:
        """Make an empty collection; the statistics are the server's own business."""
        models = require("qdrant_client", extra="qdrant").models
        dimension = layout.manifest.dimension
        dense = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        with _translated(self.name):
            self._client.create_collection(
                name,
                vectors_config={"dense": dense} if dimension else {},
                sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
                shard_number=spread.shards,
                replication_factor=spread.replicas,
                write_consistency_factor=spread.replicas // 2 + 1,
                on_disk_payload=True,
                # m=0 builds no graph, and a search compares every vector
                hnsw_config=models.HnswConfigDiff(m=16 if layout.has_graph else 0, ef_construct=128),
                metadata={_LAYOUT: layout.to_json()},
            )
            if self._is_server:  # the local mode warns that it has none
                index = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
                self._client.create_payload_index(name, "terms", index)
        return self.open(name)

    def finish(self, name: str) -> None:
        """Nothing: the server optimises in the background, and searches what it has not come to by comparing all."""

    def behind(self, alias: str) -> str | None:
        """Return which collection an alias stands for."""
        with _translated(self.name):
            found = self._client.get_aliases().aliases
        return next((one.collection_name for one in found if one.alias_name == alias), None)

    def has(self, name: str) -> bool:
        """Say whether there is a collection of this name."""
        with _translated(self.name):
            return any(one.name == name for one in self._client.get_collections().collections)

    def point(self, alias: str, name: str) -> None:
        """Let an alias stand for a collection, in one step."""
        models = require("qdrant_client", extra="qdrant").models
        made = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
        gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        steps = [made] if self.behind(alias) is None else [gone, made]
        with _translated(self.name):
            self._client.update_collection_aliases(change_aliases_operations=steps)

    def drop(self, name: str) -> None:
        """Remove a collection."""
        with _translated(self.name):
            self._client.delete_collection(name)

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class QdrantCollection:
    """One collection of a Qdrant server."""

    def __init__(self, client: Any, collection: str, layout: Layout, *, server: str, is_server: bool) -> None:
        self._client, self._collection, self.layout = client, collection, layout
        self.name = f"{server}/{collection}"
        self._is_server = is_server
        self._models = require("qdrant_client", extra="qdrant").models

    def write(self, points: Sequence[Point]) -> None:
        """Add points, replacing those of the same key."""
        with _translated(self.name):
            self._client.upsert(self._collection, [self._struct(point) for point in points], wait=True)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove points."""
        selector = self._models.PointIdsList(points=[_id(key) for key in keys])
        with _translated(self.name):
            self._client.delete(self._collection, selector, wait=True)

    def fetch(self, key: str) -> Stored | None:
        """Return a point, or None."""
        with _translated(self.name):
            found = self._client.retrieve(
                self._collection, [_id(key)], with_payload=_KEPT, with_vectors=self._vectors()
            )
        return _stored(found[0], 0.0) if found else None

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """Return how many points meet the conditions."""
        with _translated(self.name):
            return int(self._client.count(self._collection, count_filter=self._filter(conditions), exact=True).count)

    def search_terms(self, counts: Terms, *, limit: int, conditions: Sequence[Condition]) -> list[Stored]:
        """Return the points with the highest BM25; each word of the query counts once."""
        query = self._models.SparseVector(indices=counts.ids.tolist(), values=[1.0] * len(counts))
        return self._search(query, "words", limit, conditions)

    def search_vector(
        self, vector: npt.NDArray[np.float32], *, limit: int, conditions: Sequence[Condition]
    ) -> list[Stored]:
        """Return the points with the highest cosine."""
        return self._search(vector.tolist(), "dense", limit, conditions)

    def _search(self, query: Any, using: str, limit: int, conditions: Sequence[Condition]) -> list[Stored]:
        params = None  # the local mode compares all, and warns when it is told how to search
        if self._is_server:
            params = self._models.SearchParams(exact=not self.layout.has_graph, hnsw_ef=max(256, 2 * limit))
        with _translated(self.name):
            found = self._client.query_points(
                self._collection,
                query=query,
                using=using,
                limit=limit,
                query_filter=self._filter(conditions),
                search_params=params,
                with_payload=_KEPT,
                with_vectors=self._vectors(),
            ).points
        return [_stored(point, float(point.score)) for point in found]

    def _vectors(self) -> list[str] | bool:
        return ["dense"] if self.layout.manifest.dimension else False

    def _struct(self, point: Point) -> Any:
        vectors: dict[str, Any] = {} if point.vector is None else {"dense": point.vector.tolist()}
        if len(point.terms):
            vectors["words"] = self._models.SparseVector(
                indices=point.terms.ids.tolist(), values=point.terms.weights.tolist()
            )
        payload = {"order": point.order, "record": point.record, "terms": list(point.facets.terms)}
        return self._models.PointStruct(id=_id(point.key), vector=vectors, payload={**payload, **point.facets.numbers})

    def _filter(self, conditions: Sequence[Condition]) -> Any:
        return self._models.Filter(must=[self._field(condition) for condition in conditions]) if conditions else None

    def _field(self, condition: Condition) -> Any:
        if isinstance(condition, AnyOf):
            match = self._models.MatchAny(any=list(condition.terms))
            return self._models.FieldCondition(key="terms", match=match)
        return self._models.FieldCondition(key=condition.number, range=self._models.Range(**condition.bounds))


def _id(key: str) -> str:
    return str(uuid.UUID(hex=key))


def _stored(point: Any, score: float) -> Stored:
    vector = (point.vector or {}).get("dense")
    values = None if vector is None else np.asarray(vector, np.float32)
    return Stored(int(point.payload["order"]), point.payload["record"], values, score)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    exceptions = require("qdrant_client.http.exceptions", extra="qdrant")
    busy = require("qdrant_client.common.client_exceptions", extra="qdrant").ResourceExhaustedResponse
    try:
        yield
    except busy as error:
        raise RateLimitedError(f"{name} has too much to do: {error}") from error
    except exceptions.UnexpectedResponse as error:
        said = error.content.decode("utf-8", "replace") if error.content else error.reason_phrase
        if error.status_code == HTTPStatus.NOT_FOUND:
            raise IndexNotFoundError(f"{name}: {said}; make it with `shortlist index push`") from error
        raise failure_of(error.status_code or 500, said, url=name, key_hint="set QDRANT_API_KEY") from error
    except exceptions.ResponseHandlingException as error:
        raise RemoteUnavailableError(f"{name} cannot be reached or is too slow: {error}") from error
    except ValueError as error:  # of the local mode
        if "not found" not in str(error):
            raise
        raise IndexNotFoundError(f"{name}: {error}; make it with `shortlist index push`") from error
    except RuntimeError as error:  # of the local mode, too
        if "already accessed" not in str(error):
            raise
        raise IndexLockedError(f"{name}: {error}") from error
