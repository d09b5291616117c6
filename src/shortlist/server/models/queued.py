"""A scorer on this machine behind one queue: batches across requests, on threads of its own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from shortlist.errors import OverloadedError, ScoreError
from shortlist.planning.cost import CostModel
from shortlist.protocols import Scorer
from shortlist.scorers.asked_of import close
from shortlist.scorers.groups import score_groups
from shortlist.server.models.answer import ranking_of
from shortlist.server.models.asked import Ask, Load
from shortlist.server.models.reading import Read, check_tokens, expected_tokens, portions, read, reader_of, uncut
from shortlist.server.models.waiting import within
from shortlist.server.scheduling.queue import DEFAULT_BOUNDS, Batch, Bounds, PairQueue
from shortlist.server.scheduling.throughput import Throughput
from shortlist.server.scheduling.work import Outcome, Pair, PairFailure, PairScore, Task
from shortlist.types import QUERY_CUT, Query, Ranking, Scores, Step, monotonic_ms

AT_ONCE = 2  # batches: while one runs, the next one's inputs are made
_TYPICAL = [64] * 64


class QueuedModel:
    """Scores the pairs of many requests in shared batches. Make and use it within one event loop.

    `watch` sees every batch with the milliseconds it took and how many pairs failed.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        cost: CostModel | None = None,
        batch_tokens: int = 4096,
        bounds: Bounds = DEFAULT_BOUNDS,
        remembered: int = 100_000,
        watch: Callable[[Batch, float], None] | None = None,
    ) -> None:
        self._scorer, self._reader, self._cost = scorer, reader_of(scorer), cost
        guess = sum(_TYPICAL) / max(cost.p50_ms(_TYPICAL), 0.01) if cost is not None else 10.0
        self._queue = PairQueue(
            clock=monotonic_ms,
            throughput=Throughput.guessed(guess),
            batch_tokens=batch_tokens,
            bounds=bounds,
            remembered=remembered,
        )
        self._batch_tokens, self._watch = batch_tokens, watch
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shortlist-score")
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="shortlist-read")  # reading must not hold scoring up
        self._wake = asyncio.Event()
        self._changed: dict[Task, asyncio.Event] = {}
        self._workers = [asyncio.create_task(self._work()) for _ in range(AT_ONCE)]

    @property
    def fingerprint(self) -> str:
        """The scorer's own."""
        return self._scorer.fingerprint

    @property
    def cost(self) -> CostModel | None:
        """What was calibrated, or found out when it was loaded."""
        return self._cost

    @property
    def max_length(self) -> int | None:
        """The tokens of a pair that are read at a time."""
        if self._reader is None:
            return None
        query = Query("a")
        return self._reader.room(query) + self._reader.tokens_read(query, [0])[0]

    @property
    def load(self) -> Load:
        """What waits and runs."""
        queue = self._queue
        tokens = queue.waiting_tokens + queue.running_tokens
        return Load(queue.waiting_pairs, tokens, queue.throughput.tokens_per_ms * 1000)

    async def rank(self, ask: Ask) -> Ranking:
        """Rerank the candidates with those of all other requests; see `Served`."""
        if not ask.is_let_in:
            self._admit(ask)
        try:
            with self._expected(ask):
                ready = await within(ask.deadline, self._read(ask))
        except asyncio.TimeoutError:
            return ask.unscored()
        check_tokens(ready.lengths, ask.max_tokens)
        task = Task(ask.candidates.query, ready.documents, ready.lengths, ask.client, ask.priority, ask.deadline)
        changed = self._changed[task] = asyncio.Event()
        made = functools.partial(ranking_of, ask.candidates, task, cut=ready.truncations)
        try:
            self._queue.add(task)
            self._wake.set()
            while not task.is_over:
                await within(ask.deadline, changed.wait())
                changed.clear()
                if ask.progress is not None and not task.is_over and any(task.outcomes):
                    ask.progress(made(top_k=ask.top_k, now_ms=monotonic_ms()))
        except asyncio.TimeoutError:
            pass  # what there is then is the answer
        finally:
            del self._changed[task]
            self._queue.drop(task)
        ranking = made(top_k=ask.top_k, now_ms=monotonic_ms())
        return ranking if self._reader is not None else ranking.traced(*uncut(ask.cuts))

    async def close(self) -> None:
        """Finish what was let in, then end the threads."""
        while self._changed:
            await asyncio.sleep(0.01)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for threads in (self._readers, self._threads):
            await asyncio.to_thread(threads.shutdown)
        close(self._scorer)

    @contextmanager
    def _expected(self, ask: Ask) -> Iterator[None]:
        """Count what was let in as waiting work, by an estimate, while it is being read."""
        query, documents = ask.candidates.query, ask.candidates.documents
        expected = len(documents), expected_tokens(query, documents)
        self._queue.expect(ask.client, *expected)
        try:
            yield
        finally:
            self._queue.expect(ask.client, *(-count for count in expected))

    async def _read(self, ask: Ask) -> Read:
        """Tokenize in turns with other requests, a portion of documents each; once nobody waits, no more is read."""
        query, loop = ask.candidates.query, asyncio.get_running_loop()
        parts = []
        for documents in portions(ask.candidates.documents):
            reading = functools.partial(read, self._reader, query, documents, ask.cuts)
            parts.append(await loop.run_in_executor(self._readers, reading))
        return Read.joined(parts)

    def _admit(self, ask: Ask) -> None:
        refusal = self._queue.refusal(ask.client, len(ask.candidates))
        if refusal is not None:
            raise OverloadedError(
                f"too much to do: {refusal.reason}; try again later", retry_after_ms=refusal.retry_after_ms
            )

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = self._queue.next_batch()
            self._tell(self._queue.ended())
            if batch is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            groups = batch.groups()
            try:
                scores = await loop.run_in_executor(self._threads, self._score, groups)
                ordered, outcomes = _outcomes(groups, scores)
                touched = self._queue.finished(Batch(ordered, batch.taken_ms), outcomes)
                _hand_steps(touched, groups, [one.step for one in scores])
            except Exception as error:  # of any kind: it must reach those who wait, and end no worker
                touched = self._queue.failed(batch, error)
            self._tell(touched)
            self._wake.set()  # there is time for other tasks beside what runs now
            if self._watch is not None:
                self._watch(batch, monotonic_ms() - batch.taken_ms)

    def _score(self, groups: list[list[Pair]]) -> list[Scores]:
        scores = score_groups(self._scorer, [(pairs[0].query, [pair.document for pair in pairs]) for pairs in groups])
        if [len(one.values) for one in scores] != [len(pairs) for pairs in groups]:
            raise ScoreError(f"{self.fingerprint} gave another number of scores than there are documents")
        return scores

    def _tell(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if task in self._changed:
                self._changed[task].set()


def _outcomes(groups: list[list[Pair]], scores: list[Scores]) -> tuple[list[Pair], list[Outcome]]:
    pairs = [pair for group in groups for pair in group]
    outcomes: list[Outcome] = []
    for group, one in zip(groups, scores, strict=True):
        cut = {truncation.doc_id: truncation for truncation in reversed(one.step.truncations)}
        query = cut.get(QUERY_CUT)
        query_cut = None if query is None else (query.seen, query.total)
        for pair, value in zip(group, one.values.tolist(), strict=True):
            if not np.isfinite(value):
                outcomes.append(PairFailure(ScoreError(f"{one.step.stage} gave {value}, which is no score")))
                continue
            found = cut.get(pair.document.doc_id)
            seen, total = (None, None) if found is None else (found.seen, found.total)
            outcomes.append(PairScore(value, one.kind, seen, total, query_cut))
    return pairs, outcomes


def _hand_steps(tasks: Iterable[Task], groups: list[list[Pair]], steps: list[Step]) -> None:
    by_query = {id(pairs[0].query): step for pairs, step in zip(groups, steps, strict=True)}
    for task in tasks:
        if id(task.query) in by_query:
            task.steps.append(by_query[id(task.query)])
