"""The search engine: a Qdrant Edge shard, with its exceptions turned into ours.

Its files are only a form of the document store that can be searched. The engine's own
write-ahead log is off, since the store's rows repair a shard after a crash: at 20,000
documents of 100 words this took 58 instead of 108 MB on disk.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import qdrant_edge as qdrant

from shortlist.errors import CorruptIndexError, StorageFullError, StoreError
from shortlist.retrieval.filters import AnyOf, Condition, Facets
from shortlist.retrieval.shared_lock import SharedLock

ANALYZER = "qdrant-0.9 nfc/code/lower/fold/english-stop/snowball-english; bm25 k1=1.2 b=0.75"
"""How BM25 reads a text. The average length is the corpus's, kept by the engine as documents come and go;
those that left a segment in its immutable form count until `optimize`, as they do in the document frequencies.

k1 1.2 with b .75 against .9 with .4, nDCG@10: cranfield .386/.365, scifact .689/.680, cosqa .375/.355,
xquad_en .968/.971. The code tokenizer, which also splits identifiers, against the word tokenizer:
cosqa .382/.375, recall@100 on scifact .935/.924, elsewhere equal.
"""

K1, B = 1.2, 0.75

_BM25 = qdrant.Bm25Params(K1, B)
_SPARE_BYTES = 64 << 20
_SEALED_FROM = 1000  # documents; a segment above it is written in its immutable form by optimize()
_LOOKED_AT = 256  # at least so many are rescored from their codes, or walked to in the graph


class VectorSearch(str, Enum):
    """How a shard finds the nearest vectors; segments that were written since `optimize` are compared exactly."""

    EXACT = "exact"
    CODES = "codes"
    """4-bit codes of all vectors are compared, and the best of them again in full (TurboQuant, Zandieh et al. 2025)."""
    HNSW = "HNSW"
    """A graph over those codes is walked, and the best are compared again in full."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What the engine stores of a document; `vector` is None when it can only be found by its words."""

    point: int
    text: str
    vector: npt.NDArray[np.float32] | None
    facets: Facets


class Shard:
    """One Qdrant Edge shard in a folder of its own. One process at a time; the caller sees to that."""

    def __init__(self, shard: qdrant.EdgeShard, path: Path, *, dimension: int) -> None:
        self._shard, self._path, self._dimension = shard, path, dimension
        self._lock = SharedLock()  # held alone where there is no open shard for a moment
        self._note = path / "vector_search"
        self._vector_search = VectorSearch(self._note.read_text("ascii")) if self._note.exists() else VectorSearch.EXACT

    @classmethod
    def create(cls, path: Path, *, dimension: int) -> Shard:
        """Make an empty shard; dimension 0 means no vectors."""
        _check_space(path.parent, 0)
        with _translated(path):
            return cls(_made(path, dimension), path, dimension=dimension)

    @classmethod
    def load(cls, path: Path, *, dimension: int) -> Shard:
        """Open a shard. Raises CorruptIndexError when the engine cannot read it, StorageFullError."""
        # the engine answers a missing folder by making an empty shard that has no index
        if not (path / "edge_config.json").exists():
            raise CorruptIndexError(f"there is no search engine shard in {path}")
        # opening touches mapped files all over: where that fills their holes (99 MB of a new shard on tmpfs)
        # a full disk is no error but a SIGBUS, which ends the process without a word
        _check_space(path, max(0, _hole_bytes(path) - _SPARE_BYTES))
        try:
            with _translated(path):
                raw = qdrant.EdgeShard.load(str(path))
                has_fields = raw.info().payload_schema.keys() >= {"text", "terms"}
        except StorageFullError:
            raise
        except StoreError as error:
            raise CorruptIndexError(f"the search engine cannot read {path}: {error}") from error
        if not has_fields:  # documents would go in, and no search find them
            raw.close()
            raise CorruptIndexError(f"making the search engine's files in {path} was interrupted")
        return cls(raw, path, dimension=dimension)

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add points, replacing those of the same id. Raises StorageFullError before anything is written."""
        _check_space(self._path, sum(len(entry.text) * 8 + 8192 for entry in entries))
        with self._used():
            points = [_point(entry, self._vectors(entry)) for entry in entries]
            self._shard.update(qdrant.UpdateOperation.upsert_points(points))

    def delete(self, points: Sequence[int]) -> None:
        """Remove points; those that are not there do not matter."""
        if points:
            with self._used():
                self._shard.update(qdrant.UpdateOperation.delete_points(list(points)))

    def search_text(self, text: str, *, limit: int, conditions: Sequence[Condition] = ()) -> list[tuple[int, float]]:
        """Return point ids and BM25 scores, best first; only points that share a word with the text."""
        query = qdrant.TextQuery("text", readable(text), _BM25)
        request = qdrant.QueryRequest(limit=limit, query=query, filter=_filter(conditions))
        with self._used():
            return [(int(hit.id), hit.score) for hit in self._shard.query(request)]

    def search_vector(
        self, vector: npt.NDArray[np.float32], *, limit: int, conditions: Sequence[Condition] = ()
    ) -> list[tuple[int, float]]:
        """Return point ids and cosines of the full vectors, best first; how they are found says `vector_search`."""
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(vector.tolist(), using="dense"),
            filter=_filter(conditions),
            params=self._params(limit),
        )
        with self._used():
            return [(int(hit.id), hit.score) for hit in self._shard.query(request)]

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """Return how many points meet the conditions."""
        with self._used():
            return self._shard.count(qdrant.CountRequest(exact=True, filter=_filter(conditions)))

    def holds(self, documents: int, *, vectors: int) -> bool:
        """Say whether there are so many points, and so many of them with their vector, as far as the files tell."""
        of_vectors = qdrant.Filter(must=[qdrant.HasVectorCondition("dense")])
        with self._used():
            found = self._shard.count(qdrant.CountRequest(exact=True, filter=of_vectors))
        return self.count() == documents and found == (vectors if self._dimension else documents)

    def clear(self) -> None:
        """Make the files anew, without points."""
        with self._lock.exclusive(), _translated(self._path):
            self._shard.close()
            shutil.rmtree(self._path)
            self._shard = _made(self._path, self._dimension)
            self._vector_search = VectorSearch.EXACT

    def points(self) -> npt.NDArray[np.int64]:
        """Return all point ids, ascending."""
        with self._used():
            count = self._shard.count(qdrant.CountRequest(exact=True))
            request = qdrant.ScrollRequest(limit=max(1, count), with_payload=False, with_vector=False)
            records, _ = self._shard.scroll(request)
        return np.sort(np.array([int(record.id) for record in records], dtype=np.int64))

    def flush(self) -> None:
        """Write everything to disk."""
        with self._used():
            self._shard.flush()

    @property
    def vector_search(self) -> VectorSearch:
        """How the nearest vectors are found."""
        return self._vector_search

    def optimize(self, vector_search: VectorSearch) -> None:
        """Write full segments in their immutable form, for this way of finding vectors; blocks every thread."""
        _check_space(self._path, folder_bytes(self._path))
        if vector_search is not self.vector_search:
            with self._lock.exclusive(), _translated(self._path):
                self._shard.close()
                self._shard = qdrant.EdgeShard.load(str(self._path), _config(self._dimension, vector_search))
                self._vector_search = VectorSearch.EXACT  # until there is what the new form is searched by
        with self._used():
            self._shard.optimize()
            draft = self._note.with_suffix(".new")
            draft.write_text(vector_search.value, "ascii")
            draft.replace(self._note)
        self._vector_search = vector_search

    def close(self) -> None:
        """Flush, and give the files back, once nobody searches any more."""
        with self._lock.exclusive(), _translated(self._path):
            self._shard.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Use the open shard together with other threads."""
        with self._lock.shared(), _translated(self._path):
            yield

    def _params(self, limit: int) -> qdrant.SearchParams:
        if self.vector_search is VectorSearch.EXACT:
            return qdrant.SearchParams(exact=True)
        looked_at = max(_LOOKED_AT, 2 * limit)
        rescored = qdrant.QuantizationSearchParams(rescore=True, oversampling=looked_at / limit)
        return qdrant.SearchParams(hnsw_ef=looked_at, quantization=rescored)

    def _vectors(self, entry: Entry) -> dict[str, qdrant.NamedVector]:
        if not self._dimension:
            return {"dense": [1.0]}  # see _config
        return {} if entry.vector is None else {"dense": entry.vector.tolist()}


def readable(text: str) -> str:
    """Return a text as the engine's analyzer finds the words of it: composed (NFC), without soft hyphens.

    Lone surrogates are no UTF-8, and match no word anyway.
    """
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8")).replace("\u00ad", "")


def folder_bytes(folder: Path) -> int:
    """Return how much disk a folder's files take; without their holes where the system tells."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(stat.st_blocks * 512 if hasattr(stat, "st_blocks") else stat.st_size for stat in stats)


def _config(dimension: int, vector_search: VectorSearch) -> qdrant.EdgeConfig:
    # a BM25-only shard carries one number a point: optimize() goes by the size of vectors
    size = dimension or 1
    codes, memory = None, None
    if vector_search is not VectorSearch.EXACT:
        codes = qdrant.TurboQuantQuantizationConfig(bits=qdrant.TurboQuantBitSize.Bits4, memory=qdrant.Memory.Cached)
        memory = qdrant.Memory.Cold  # the full vectors stay on disk: of a query only the best are read
    # m=0 builds no graph: search stays exact, and optimize() takes 5 s instead of 44 s for 20,000 documents
    is_graph = vector_search is VectorSearch.HNSW
    graph = qdrant.HnswIndexConfig(16, 128, 1000) if is_graph else qdrant.HnswIndexConfig(0, 4, 10)
    distance = qdrant.Distance.Cosine if dimension else qdrant.Distance.Dot
    return qdrant.EdgeConfig(
        vectors={"dense": qdrant.EdgeVectorParams(size, distance, quantization_config=codes, memory=memory)},
        hnsw_config=graph,
        optimizers=qdrant.EdgeOptimizersConfig(
            deleted_threshold=0.0,  # or up to a fifth of an optimized shard, gone, would count in BM25's statistics
            vacuum_min_vector_number=0,
            indexing_threshold=max(1, _SEALED_FROM * size * 4 // 1024),
        ),
        wal_enabled=False,
    )


def _made(path: Path, dimension: int) -> qdrant.EdgeShard:
    shard = qdrant.EdgeShard.create(str(path), _config(dimension, VectorSearch.EXACT))
    shard.update(qdrant.UpdateOperation.create_field_index("text", _text_index()))
    terms = qdrant.IntegerIndexParams(lookup=True, range=False)
    shard.update(qdrant.UpdateOperation.create_field_index("terms", terms))
    return shard


def _text_index() -> qdrant.TextIndexParams:
    return qdrant.TextIndexParams(
        tokenizer=qdrant.TokenizerType.Code,
        lowercase=True,
        ascii_folding=True,
        stopwords=qdrant.Language.English,
        stemmer=qdrant.SnowballParams(qdrant.SnowballLanguage.English),
        scoring=True,
    )


def _point(entry: Entry, vectors: dict[str, qdrant.NamedVector]) -> qdrant.Point:
    payload = {"text": readable(entry.text), "terms": list(entry.facets.terms), **entry.facets.numbers}
    return qdrant.Point(entry.point, vectors, payload)


def _filter(conditions: Sequence[Condition]) -> qdrant.Filter | None:
    return qdrant.Filter(must=[_field(condition) for condition in conditions]) if conditions else None


def _field(condition: Condition) -> qdrant.FieldCondition:
    if isinstance(condition, AnyOf):
        return qdrant.FieldCondition("terms", match=qdrant.MatchAny(list(condition.terms)))
    return qdrant.FieldCondition(condition.number, range=qdrant.RangeFloat(**condition.bounds))


def _hole_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) - folder_bytes(folder)


def _check_space(folder: Path, needed: int) -> None:
    # the engine writes through memory maps: on a full disk the process dies of SIGBUS, not of an error
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise StorageFullError(
            f"the disk of {folder} has {free >> 20} MB left and {(needed + _SPARE_BYTES) >> 20} MB are needed;"
            " free some space and repeat the last call. Everything committed before it is intact"
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, StoreError):
        raise
    except BaseException as error:
        # a panic in the engine comes as PanicException, which is no Exception and cannot be imported
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = str(error)
        if "No space left" in said or "os error 28" in said or "ENOSPC" in said:
            raise StorageFullError(
                f"the disk is full while writing {path}; free some space and repeat the last call."
                " Everything committed before it is intact"
            ) from error
        raise StoreError(f"the search engine failed on {path}: {type(error).__name__}: {said}") from error
