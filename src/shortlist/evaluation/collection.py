"""A test collection: documents, queries with judgements, qrels; and the BEIR folder it may come from."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation.files import at, is_jsonl, read_lines, read_objects, text_of
from shortlist.evaluation.qrels import Judgements, Qrels, Subtopics, read_judgements, write_qrels
from shortlist.types import Document, Query

_SPLITS = ("test", "dev", "validation", "train")


@dataclass(frozen=True, slots=True)
class Collection:
    """What systems are evaluated on; make one with `of`, which checks that the parts belong together.

    `documents` may be empty where rankings are only measured, not reranked. `notes` say in
    words what does not fit.
    """

    name: str
    documents: Mapping[str, Document]
    queries: tuple[Query, ...]
    qrels: Qrels
    notes: tuple[str, ...] = ()
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subtopics: Subtopics = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        *,
        judgements: Judgements,
        queries: Sequence[Query],
        documents: Mapping[str, Document] | None = None,
        answers: Mapping[str, tuple[str, ...]] | None = None,
        corpus: str = "the corpus",
    ) -> Collection:
        """Put a collection together; its queries are those with judgements, in the order of `queries`.

        `corpus` is what an error calls the documents. Raises InputError when no query has
        judgements, or when no judged document is there.
        """
        qrels = judgements.qrels
        judged = tuple(query for query in queries if query.query_id in qrels)
        if not judged:
            ours, theirs = queries[0].query_id if queries else "no query at all", next(iter(qrels), "none at all")
            raise InputError(
                f"{name}: none of the {len(queries)} queries has judgements (query_ids such as {ours!r};"
                f" {judgements.place(theirs)} has {theirs!r}); the files belong to different collections or splits:"
                " name those that belong together"
            )
        kept = {query.query_id: qrels[query.query_id] for query in judged}
        notes = []
        if textless := [query_id for query_id in qrels if query_id not in kept]:
            first = f"{textless[0]!r} at {judgements.place(textless[0])}"
            notes.append(f"{len(textless)} judged queries have no text and are left out ({first})")
        if hopeless := [query_id for query_id, judged in kept.items() if max(judged.values(), default=0) < 1]:
            notes.append(
                f"{len(hopeless)} of {len(kept)} queries have no relevant document and count 0, whatever is found"
                f" ({hopeless[0]!r})"
            )
        if documents:
            notes += unknown_documents(judgements, kept, documents, corpus)
        if judgements.negative:
            notes.append(f"{judgements.negative} negative judgements (junk) count as 0")
        if judgements.subtopics:
            notes.append("judged by subtopic; in measures without subtopics a document has its highest grade")
        return cls(name, documents or {}, judged, kept, tuple(notes), answers or {}, judgements.subtopics)

    def sampled(self, count: int, *, seed: int) -> Collection:
        """Keep `count` queries, drawn without replacement, in their own order; 0 keeps all."""
        queries = drawn(self.queries, count, seed=seed)
        return replace(self, queries=queries, qrels={q.query_id: self.qrels[q.query_id] for q in queries})

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the queries and judgements, and of how many documents there are."""
        digest = hashlib.sha256(str(len(self.documents)).encode())
        for query in self.queries:
            digest.update(f"\0{query.query_id}\0{query.text}".encode("utf-8", "surrogatepass"))
            judged = sorted(self.qrels[query.query_id].items())
            digest.update("".join(f"\1{doc_id}\2{grade}" for doc_id, grade in judged).encode("utf-8", "surrogatepass"))
            for doc_id, grades in sorted(self.subtopics.get(query.query_id, {}).items()):
                digest.update(f"\3{doc_id}\2{sorted(grades.items())}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]


def drawn(queries: Sequence[Query], count: int, *, seed: int) -> tuple[Query, ...]:
    """Draw `count` queries without replacement, in their own order; 0 takes all."""
    if count < 0:
        raise InputError(f"the number of queries must be 0 (all) or more, got {count}")
    if not 0 < count < len(queries):
        return tuple(queries)
    places = sorted(random.Random(seed).sample(range(len(queries)), count))
    return tuple(queries[place] for place in places)


def read_beir(folder: Path, *, split: str | None = None) -> Collection:
    """Read a BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv` (MTEB: `.jsonl`), each plain or `.gz`.

    Without a `split` it is the first of test, dev, validation, train that is there.
    `answers.jsonl` (`query_id`, `answers`), if there is one, is read too. Raises InputError
    that names the file, the line and the remedy.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; a BEIR collection is one with corpus.jsonl, queries.jsonl and qrels/")
    judgements = read_judgements(_qrels_file(folder, split))
    queries = read_queries(folder / "queries.jsonl")
    answers, corpus = folder / "answers.jsonl", folder / "corpus.jsonl"
    return Collection.of(
        folder.name,
        judgements=judgements,
        queries=queries,
        documents=read_corpus(corpus),
        answers=read_answers(answers) if answers.is_file() else None,
        corpus=str(corpus),
    )


def write_beir(folder: Path, collection: Collection, *, split: str = "test") -> None:
    """Write a collection as a BEIR folder, which is made: `read_beir` gives it back, but for notes and subtopics.

    Raises InputError for an id with whitespace in it, which BEIR's qrels cannot hold.
    """
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    write_qrels(folder / "qrels" / f"{split}.tsv", collection.qrels)
    documents = ({"_id": doc_id, "title": d.title, "text": d.text} for doc_id, d in collection.documents.items())
    _write_objects(folder / "corpus.jsonl", documents)
    _write_objects(
        folder / "queries.jsonl", ({"_id": query.query_id, "text": query.text} for query in collection.queries)
    )
    if collection.answers:
        answers = ({"query_id": query_id, "answers": list(found)} for query_id, found in collection.answers.items())
        _write_objects(folder / "answers.jsonl", answers)


def _write_objects(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def read_queries(path: Path) -> tuple[Query, ...]:
    """Read queries from JSONL (`_id`, `query_id` or `id`, `text`) or tab-separated `query_id`, `text`, headed or not.

    Raises InputError for an empty file, an id that is there twice, and an empty text.
    """
    queries: dict[str, Query] = {}
    for number, query_id, text in _texts(path):
        if query_id in queries:
            raise at(path, number, f"has the query_id {query_id!r} a second time", "give each query an id of its own")
        if not text.strip():
            raise at(path, number, f"has an empty text for query {query_id!r}", "give it a text or delete the line")
        queries[query_id] = Query(text, query_id)
    if not queries:
        raise InputError(f"{path} holds no queries; is it the right file?")
    return tuple(queries.values())


def read_corpus(path: Path, *, wanted: Set[str] | None = None) -> dict[str, Document]:
    """Read documents from JSONL (`_id` or `doc_id`, `text`, `title`), all or those of `wanted` ids.

    Raises InputError as `read_queries` does.
    """
    documents: dict[str, Document] = {}
    for number, row in read_objects(path):
        doc_id = text_of(path, number, row, "_id", "doc_id", "id")
        if wanted is not None and doc_id not in wanted:
            continue
        if doc_id in documents:
            raise at(path, number, f"has the doc_id {doc_id!r} a second time", "give each document an id of its own")
        text, title = row.get("text"), row.get("title") or ""
        if not isinstance(text, str) or not isinstance(title, str):
            raise at(
                path, number, f"document {doc_id!r} has no text that is a string", 'write {"_id": ..., "text": ...}'
            )
        documents[doc_id] = Document(text, doc_id, title)
    if not documents:
        raise InputError(f"{path} holds no documents; is it the right file?")
    return documents


def read_answers(path: Path) -> dict[str, tuple[str, ...]]:
    """Read gold answers from JSONL: `query_id`, and `answers`, a list with at least one text."""
    answers: dict[str, tuple[str, ...]] = {}
    for number, row in read_objects(path):
        found = row.get("answers")
        if not isinstance(found, list) or not found or not all(isinstance(text, str) for text in found):
            raise at(path, number, "has no list of texts in 'answers'", 'write {"query_id": ..., "answers": [...]}')
        query_id = text_of(path, number, row, "query_id", "_id")
        if query_id in answers:
            raise at(path, number, f"answers query {query_id!r} a second time", "put all its answers into one line")
        answers[query_id] = tuple(found)
    return answers


_HEADER = re.compile(r"(query[-_]?id|qid|_?id)\t(text|query)", re.IGNORECASE)  # as qrels often have one
_QUERY = 'write {"_id": ..., "text": ...}'


def _texts(path: Path) -> Iterator[tuple[int, str, str]]:
    if is_jsonl(path):
        for number, row in read_objects(path):
            query_id, text = text_of(path, number, row, "_id", "query_id", "id"), row.get("text")
            if not isinstance(text, str):
                raise at(path, number, f"query {query_id!r} has no text that is a string", _QUERY)
            yield number, query_id, text
        return
    for number, line in read_lines(path):
        if number == 1 and _HEADER.fullmatch(line):
            continue
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id.strip():
            what = "has an empty query_id" if tab else "has no tab"
            raise at(path, number, what, "write 'query_id<TAB>text', or JSONL in a file named .jsonl")
        yield number, query_id.strip(), text


def _qrels_file(folder: Path, split: str | None) -> Path:
    there = (path.with_name(path.name.removesuffix(".gz")) for path in sorted((folder / "qrels").glob("*")))
    files = {path.stem: path for path in there if path.suffix in {".jsonl", ".tsv"}}
    if not files:
        raise InputError(f"{folder / 'qrels'} holds no .tsv file; a BEIR folder has qrels/test.tsv or its like")
    names = [split] if split else [*_SPLITS, *files]
    return next((files[name] for name in names if name in files), folder / "qrels" / f"{split}.tsv")


def unknown_documents(
    judgements: Judgements, qrels: Qrels, documents: Mapping[str, Document], corpus: str
) -> list[str]:
    """Say how many judged documents `corpus` lacks, in a note if there are any; raises InputError when it lacks all."""
    judged = [(query_id, doc_id) for query_id, grades in qrels.items() for doc_id in grades]
    lost = [pair for pair in judged if pair[1] not in documents]
    if not lost:
        return []
    place, doc_id = judgements.place(*lost[0]), lost[0][1]
    if len(lost) == len(judged):
        raise InputError(
            f"{place}: none of the judged documents is in {corpus} (doc_ids such as {doc_id!r} in the qrels,"
            f" {next(iter(documents), 'none at all')!r} there); the files belong to different collections: name those"
            " that belong together"
        )
    return [f"{len(lost)} of {len(judged)} judgements are of documents that {corpus} lacks ({doc_id!r} at {place})"]
