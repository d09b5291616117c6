"""A request's files become a collection, and a collection becomes an index."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation.collection import Collection, drawn, read_answers, read_beir, read_corpus, read_queries
from shortlist.evaluation.irds import read_irds
from shortlist.evaluation.qrels import Judgements, read_judgements
from shortlist.evaluation.request import Request
from shortlist.inference.biencoder import BiEncoder
from shortlist.retrieval import Index
from shortlist.types import Document, Query

Filling = Callable[[int, int], None]  # documents indexed, documents in all

_IRDS = "irds:"
_AT_ONCE = 256


class IndexedDocuments(Mapping[str, Document]):
    """The documents of an open index by doc_id, read when asked for, with the tokens and vectors stored there."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __getitem__(self, doc_id: str) -> Document:
        if doc_id not in self._index:
            raise KeyError(doc_id)
        return self._index.get(doc_id)

    def __contains__(self, doc_id: object) -> bool:
        return doc_id in self._index

    def __iter__(self) -> Iterator[str]:
        return (row.document.doc_id for row in self._index.rows())

    def __len__(self) -> int:
        return self._index.count()


def read_collection(request: Request) -> Collection:
    """Read the collection that a request names, whole or by its files, and draw its sample.

    Raises InputError that names the file, the line and the remedy, or the option that is missing.
    """
    whole = _whole(request)
    if whole is not None and not (request.qrels or request.queries or request.corpus):
        return whole.sampled(request.sample, seed=request.seed)
    if whole is None and not request.qrels:
        raise InputError("no judgements were named; give a collection (a BEIR folder, irds:NAME), or a file of qrels")
    if request.qrels:
        judgements = read_judgements(Path(request.qrels))
    else:
        judgements = Judgements(whole.qrels, whole.subtopics) if whole else Judgements({})
    queries = read_queries(Path(request.queries)) if request.queries else whole.queries if whole else None
    documents = read_corpus(Path(request.corpus)) if request.corpus else whole.documents if whole else {}
    name = whole.name if whole else Path(request.qrels).name
    if queries is None:  # rankings are only measured: a query's text is not needed
        queries = tuple(Query(query_id, query_id) for query_id in judgements.qrels)
    made = Collection.of(
        name,
        judgements=judgements,
        queries=queries,
        documents=documents,
        answers=whole.answers if whole else None,
        corpus=request.corpus or "the corpus",
    )
    return made.sampled(request.sample, seed=request.seed)


def read_unjudged(request: Request) -> Collection:
    """Read the queries and documents of a request without judgements, and draw its sample."""
    if not request.queries:
        raise InputError("no queries were named; give a file of them, or a collection (a BEIR folder, irds:NAME)")
    queries = read_queries(Path(request.queries))
    documents = read_corpus(Path(request.corpus)) if request.corpus else {}
    made = drawn(queries, request.sample, seed=request.seed)
    return Collection(Path(request.queries).name, documents, made, {query.query_id: {} for query in made})


def _whole(request: Request) -> Collection | None:
    if not request.collection:
        return None
    if request.collection.startswith(_IRDS):
        return read_irds(request.collection.removeprefix(_IRDS))
    return read_beir(Path(request.collection), split=request.split or None)


@contextlib.contextmanager
def index_folder(named: str) -> Iterator[Path]:
    """Give the named folder, or one that is removed afterwards."""
    if named:
        yield Path(named)
        return
    with tempfile.TemporaryDirectory(prefix="shortlist-evaluate-") as folder:
        yield Path(folder) / "index"


@contextlib.contextmanager
def indexed(
    documents: Mapping[str, Document],
    path: Path,
    *,
    encoder: BiEncoder | None,
    is_whole: bool = True,
    filling: Filling | None = None,
) -> Iterator[Index]:
    """Open the index at a path; documents that it lacks are added, and it is made when there is none.

    Without documents it is opened as it is, read-only. Without an encoder it holds words
    only. Raises InputError when it holds others, unless it is not `is_whole`: not searched, only read by id.
    """
    if not documents:
        with Index.open(path, encoder=encoder, read_only=True) as index:
            yield index
        return
    opening = Index.open if (path / "documents.sqlite").is_file() else Index.create
    with opening(path, encoder=encoder, tokenize=encoder.tokenize if encoder else None) as index:
        fill(index, documents, is_whole=is_whole, filling=filling)
        yield index


def fill(
    index: Index, documents: Mapping[str, Document], *, is_whole: bool = True, filling: Filling | None = None
) -> int:
    """Add the documents that an index lacks; return how many.

    Raises InputError when it then holds others, too, and `is_whole`: figures would be of another collection.
    """
    missing = [document for doc_id, document in documents.items() if doc_id not in index]
    for start in range(0, len(missing), _AT_ONCE):
        index.upsert(missing[start : start + _AT_ONCE])
        if filling is not None:
            filling(min(start + _AT_ONCE, len(missing)), len(missing))
    if missing:
        index.optimize()
    if is_whole and index.count() != len(documents):
        raise InputError(
            f"{index.path} holds {index.count()} documents instead of {len(documents)};"
            " it was made from other data: name another folder, or delete this one"
        )
    return len(missing)


def answers_of(request: Request, collection: Collection, file: str = "") -> Mapping[str, tuple[str, ...]]:
    """Return the gold answers, from a file or from the collection's own `answers.jsonl`."""
    answers = read_answers(Path(file)) if file else collection.answers
    known = {query.query_id: answers[query.query_id] for query in collection.queries if query.query_id in answers}
    if not known:
        where = file or f"answers.jsonl of {request.collection or 'the collection'}"
        raise InputError(f"{where} answers none of the queries; write {{'query_id': ..., 'answers': [...]}} a line")
    return known
