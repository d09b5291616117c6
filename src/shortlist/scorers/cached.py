"""Scores that were computed before, or are being computed now, by content."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from shortlist.errors import InputError, ScoreError, StoreError
from shortlist.inference.forks import renew_in_forks
from shortlist.protocols import Group, Scorer
from shortlist.scorers.groups import score_groups
from shortlist.scorers.pointwise import counted
from shortlist.scorers.report import empty_notes
from shortlist.scorers.score_store import Kept, ScoreStore
from shortlist.types import QUERY_CUT, Document, Query, ScoreKind, Scores, Step, Truncation, monotonic_ms


@dataclass(frozen=True, slots=True)
class Hits:
    """Where pairs' scores came from: memory, the file, another call that was computing them, or the scorer."""

    memory: int = 0
    file: int = 0
    shared: int = 0
    scored: int = 0

    def __add__(self, other: Hits) -> Hits:
        return Hits(
            self.memory + other.memory,
            self.file + other.file,
            self.shared + other.shared,
            self.scored + other.scored,
        )


class Cached:
    """A scorer that asks another one only for pairs it has not seen.

    The key is the scorer's fingerprint (model, weights, engine, precision, limits) with the texts of query and
    document, so a changed model, precision or text is never answered from old scores. Holds the `size` pairs used
    last, about 200 bytes each, and with a `store` more of them in a file that other processes use too. A pair that
    another thread is having scored is waited for instead of scored again, unless that thread has more pairs scored than
    are asked for here, which a budget may not last for. When the file cannot be used, scores come without it, and the
    step says so. Safe to call from several threads.
    """

    def __init__(self, scorer: Scorer, *, size: int = 100_000, store: ScoreStore | None = None) -> None:
        if size < 1:
            raise InputError(f"a cache must hold at least one pair; got size={size}")
        self.scorer = scorer
        self._size = size
        self._store = store
        self._known: OrderedDict[bytes, Kept] = OrderedDict()
        self._hits = Hits()
        self.renew()
        renew_in_forks(self)

    def renew(self) -> None:
        """Wait for no other call: those that were scoring when this process was forked do not go on in it."""
        self._coming: dict[bytes, _Coming] = {}
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The cached scorer's own: the scores are the same."""
        return self.scorer.fingerprint

    @property
    def hits(self) -> Hits:
        """Where the scores of all calls so far came from, by distinct pair of a call."""
        with self._lock:
            return self._hits

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order."""
        return self.score_groups([(query, documents)])[0]

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return each group's scores; what none of them has seen is scored together."""
        began = monotonic_ms()
        keys = [[self._key(query, document) for document in documents] for query, documents in groups]
        call, coming, own = self._begun({key for each in keys for key in each})
        wanted = call.missing - coming.keys()
        try:
            self._read(call, wanted)
            fresh = self._scored(groups, keys, wanted & call.missing, call)
        except BaseException as error:
            self._hand_over(own, call, error)
            raise
        self._hand_over(own, call)
        for key, future in coming.items():
            if future.exception() is None:
                call.know(key, future.result(), "shared")
        if call.missing:  # the call that was scoring them failed: what it could not do may still be done here
            fresh = self._scored(groups, keys, call.missing, call)
        self._keep(call)
        return [
            self._result(began, documents, each, one, call)
            for (_, documents), each, one in zip(groups, keys, fresh, strict=True)
        ]

    def _begun(self, keys: set[bytes]) -> tuple[_Call, dict[bytes, Future[Kept]], set[bytes]]:
        """Return what memory knows, what other calls will, and the rest that others may wait for this call with."""
        call = _Call(keys)
        with self._lock:
            for key in keys & self._known.keys():
                call.know(key, self._known[key], "memory")
            begun = {key: self._coming[key] for key in call.missing if key in self._coming}
            coming = {key: one.kept for key, one in begun.items() if one.pairs <= len(call.missing)}
            own = call.missing - begun.keys()
            pairs = len(call.missing) - len(coming)
            self._coming.update((key, _Coming(pairs)) for key in own)
        return call, coming, own

    def _read(self, call: _Call, keys: set[bytes]) -> None:
        if self._store is None or not keys:
            return
        try:
            for key, kept in self._store.get(keys).items():
                call.know(key, kept, "file")
        except StoreError as error:
            call.notes.append(str(error))

    def _scored(
        self, groups: Sequence[Group], keys: Sequence[Sequence[bytes]], wanted: set[bytes], call: _Call
    ) -> list[_Fresh]:
        """Have the pairs of `wanted` scored, each once, and return what was scored of each group."""
        places = _first_places(keys, wanted)
        asked = [number for number, chosen in enumerate(places) if chosen]
        batch = [(groups[number][0], _told_apart(groups[number][1], places[number])) for number in asked]
        found = [_Fresh(Step("cached", facts={"model": self.fingerprint}))] * len(groups)
        for number, (_, documents), scores in zip(
            asked, batch, score_groups(self.scorer, batch) if batch else [], strict=True
        ):
            found[number] = _Fresh(counted(scores, len(documents)).step, frozenset(places[number]))
            cut = _by_document(scores.step.truncations)
            for place, document, value in zip(places[number], documents, scores.values.tolist(), strict=True):
                kept = Kept(value, scores.kind, cut.get(document.doc_id), cut.get(QUERY_CUT))
                call.know(keys[number][place], kept, "scored")
        return found

    def _hand_over(self, keys: Iterable[bytes], call: _Call, error: BaseException | None = None) -> None:
        """Tell those who wait for this call what came of it."""
        with self._lock:
            waiting = [(key, self._coming.pop(key).kept) for key in keys]
        for key, future in waiting:
            if key in call.known:
                future.set_result(call.known[key])
            else:
                future.set_exception(error or ScoreError("a pair was not scored"))

    def _keep(self, call: _Call) -> None:
        with self._lock:
            self._hits += call.hits
            for key, kept in call.known.items():
                if not math.isfinite(kept.value):  # an error to whoever asked, and to be asked again
                    continue
                self._known[key] = kept
                self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        scored = ((key, kept) for key, kept in call.known.items() if call.origins[key] == "scored")
        new = {key: kept for key, kept in scored if math.isfinite(kept.value)}
        if self._store is not None and new:
            try:
                self._store.put(new)
            except StoreError as error:
                call.notes.append(str(error))

    def _key(self, query: Query, document: Document) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for text in (self.scorer.fingerprint, query.text, document.full_text):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "little") + content)
        if document.tokens is not None and not document.tokens.is_whole:
            digest.update(document.tokens.ids.tobytes())  # cut as asked: another reading of the same text
        return digest.digest()

    @staticmethod
    def _result(
        began: float, documents: Sequence[Document], keys: Sequence[bytes], fresh: _Fresh, call: _Call
    ) -> Scores:
        values = np.asarray([call.known[key].value for key in keys], dtype=np.float32)
        kind = call.known[keys[0]].kind if keys else ScoreKind.UNKNOWN
        cut = _cuts(documents, [call.known[key] for key in keys])
        inner = fresh.step
        origins = [call.origins[key] for key in set(keys)]
        counts = {"documents": len(keys), "cached": len(keys) - origins.count("scored")}
        counts |= {f"cached_{name}": count for name in ("file", "shared") if (count := origins.count(name))}
        notes = (*fresh.notes_of_all(documents), *dict.fromkeys(call.notes))
        notes += tuple(_cut_before(keys, fresh, call))
        latency = monotonic_ms() - began
        return Scores(values, kind, Step(inner.stage, latency, {**inner.counts, **counts}, inner.facts, notes, cut))


@dataclass(frozen=True, slots=True)
class _Coming:
    """A score that a call is having computed, together with so many pairs."""

    pairs: int
    kept: Future[Kept] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What was scored of a group now: the step that says so, and the places of the documents."""

    step: Step
    places: frozenset[int] = frozenset()

    def notes_of_all(self, documents: Sequence[Document]) -> tuple[str, ...]:
        """Return the step's notes as they are for all documents of the group: the empty ones among them are counted."""
        said = empty_notes([documents[place] for place in self.places])
        return (*empty_notes(documents), *(note for note in self.step.degradations if note not in said))


Origin = Literal["memory", "file", "shared", "scored"]


class _Call:
    """What one call has found out of the pairs it was asked for, from where, and what it has to say."""

    def __init__(self, keys: set[bytes]) -> None:
        self.missing = set(keys)
        self.known: dict[bytes, Kept] = {}
        self.origins: dict[bytes, Origin] = {}
        self.notes: list[str] = []

    def know(self, key: bytes, kept: Kept, origin: Origin) -> None:
        """Take a score."""
        self.known[key], self.origins[key] = kept, origin
        self.missing.discard(key)

    @property
    def hits(self) -> Hits:
        """Count the pairs by where their scores came from."""
        counted = Counter(self.origins.values())
        return Hits(counted["memory"], counted["file"], counted["shared"], counted["scored"])


def _by_document(truncations: Iterable[Truncation]) -> dict[str, tuple[int, int]]:
    """Return what was cut by document; of several scorers' readings, the one that saw the smaller share."""
    cut: dict[str, tuple[int, int]] = {}
    for one in truncations:
        seen, total = cut.get(one.doc_id, (1, 1))
        if one.seen * total < seen * one.total or one.doc_id not in cut:
            cut[one.doc_id] = (one.seen, one.total)
    return cut


def _cuts(documents: Sequence[Document], kept: Sequence[Kept]) -> tuple[Truncation, ...]:
    """Return what was cut of the query, and of each document, when the scores were computed."""
    query = next((one.query_cut for one in kept if one.query_cut is not None), None)
    asked = () if query is None else (Truncation(QUERY_CUT, *query),)
    cut = (Truncation(d.doc_id, *one.cut) for d, one in zip(documents, kept, strict=True) if one.cut is not None)
    return (*asked, *cut)


def _cut_before(keys: Sequence[bytes], fresh: _Fresh, call: _Call) -> Iterator[str]:
    """Say how many texts were cut of which the fresh step says nothing, and whether the query was."""
    said = {keys[place] for place in fresh.places}
    known = [call.known[key] for key in keys if key not in said]
    is_query_said = any(call.known[key].query_cut is not None for key in said)
    is_query_cut = any(one.query_cut is not None for one in known) and not is_query_said
    if cut := sum(one.cut is not None for one in known):
        yield f"{cut} texts were cut when they were scored before"
    if is_query_cut:
        yield "the query was cut when it was scored before"


def _told_apart(documents: Sequence[Document], places: Sequence[int]) -> list[Document]:
    """Return the documents at these places, with ids that tell what was cut of each, and of the query."""
    some = [documents[place] for place in places]
    if len({QUERY_CUT, *(document.doc_id for document in some)}) > len(some):
        return some
    return [
        replace(document, doc_id=f"{document.doc_id} ({place})") for document, place in zip(some, places, strict=True)
    ]


def _first_places(keys: Sequence[Sequence[bytes]], wanted: set[bytes]) -> list[list[int]]:
    """Return each group's places of the wanted keys, of each key the first of all groups."""
    left, places = set(wanted), []
    for each in keys:
        first = {key: place for place, key in reversed(list(enumerate(each))) if key in left}
        left -= first.keys()
        places.append(sorted(first.values()))
    return places
