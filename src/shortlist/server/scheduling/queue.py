"""One model's queue: pairs of all waiting requests, taken in batches by tokens."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shortlist.server.scheduling.shares import Shares
from shortlist.server.scheduling.throughput import Throughput
from shortlist.server.scheduling.work import Outcome, Pair, PairFailure, PairScore, Task, pair_key
from shortlist.types import Clock

SAFETY = 0.8  # of what is left until a deadline that a batch may take, as predicted
_HURRY = 8  # while requests by a deadline come, a batch is this part of their shortest budget, or of a full batch
_HURRIED_MS = 10_000.0  # so long is a budget of late
_LOOK_PAST = 8  # tasks whose next pair does not fit, before a batch is closed
_HOPELESS = 8  # failures of single pairs in a row, after which a model's batches are not split any more


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: `pairs` in all and half of them of one client, and `wait_ms` as predicted for a client."""

    pairs: int = 20_000
    wait_ms: float = 10_000.0


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a task was not let in, and when to come again."""

    reason: str
    retry_after_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pairs to be scored together, and when they were taken."""

    pairs: Sequence[Pair]
    taken_ms: float

    @property
    def tokens(self) -> int:
        """The tokens of all pairs."""
        return sum(pair.tokens for pair in self.pairs)

    def groups(self) -> list[list[Pair]]:
        """Return the pairs by the request that they came from."""
        groups: dict[int, list[Pair]] = {}
        for pair in self.pairs:
            groups.setdefault(id(pair.query), []).append(pair)
        return list(groups.values())


class PairQueue:
    """Pairs of all waiting tasks; equal ones are scored once, and those scored of late not again.

    Nothing here waits or runs: the caller takes a `next_batch`, scores it, and says how it
    `finished` or `failed`. Not safe for several threads.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        throughput: Throughput,
        batch_tokens: int = 4096,
        bounds: Bounds = DEFAULT_BOUNDS,
        remembered: int = 100_000,
    ) -> None:
        self.throughput = throughput
        self._clock = clock
        self._batch_tokens = batch_tokens
        self._bounds = bounds
        self._shares = Shares()
        self._open: dict[bytes, Pair] = {}
        self._known: OrderedDict[bytes, PairScore] = OrderedDict()
        self._remembered = remembered
        self._again: list[Batch] = []
        self._of_client: dict[str, int] = {}
        self._expected = 0
        self._ended: list[Task] = []
        self._failures = 0
        self._shortest_ms, self._hurried_until_ms = math.inf, -math.inf
        self.waiting_tokens = 0
        self.running_tokens = 0

    @property
    def waiting_pairs(self) -> int:
        """How many pairs are not scored yet, those in batches and those that are expected included."""
        return len(self._open) + self._expected

    def refusal(self, client: str, pairs: int) -> Refusal | None:
        """Say why so many pairs of a client cannot be let in now, as predicted from what waits; None when they can.

        Their own cost does not count: an idle server takes whatever the limits of a request allow.
        """
        own, waiting = self._of_client.get(client, 0), self.waiting_pairs
        if waiting and (waiting + pairs > self._bounds.pairs or own + pairs > self._bounds.pairs / 2):
            drain_ms = self.throughput.ms_of(self.waiting_tokens + self.running_tokens)
            return Refusal(f"{waiting} pairs wait already, {own} of them of this client", drain_ms / 2)
        wait_ms = self.predicted_wait_ms(client)
        if wait_ms > self._bounds.wait_ms:
            return Refusal(f"a wait of {wait_ms:.0f} ms is predicted", wait_ms - self._bounds.wait_ms)
        return None

    def predicted_wait_ms(self, client: str) -> float:
        """Predict how long a client's next task waits, served in fair turns with the other clients."""
        total = self.waiting_tokens + self.running_tokens
        others = len(self._of_client.keys() - {client})
        pairs = self.waiting_pairs
        own = total * self._of_client.get(client, 0) / pairs if pairs else 0.0
        if others <= 0:
            return self.throughput.ms_of(total)
        return self.throughput.ms_of(min(total, own * (others + 1) + self.running_tokens + self._batch_tokens))

    def expect(self, client: str, pairs: int, tokens: int) -> None:
        """Count pairs that were let in and are still being read, so that those who come meanwhile are told of them.

        Called again with negative numbers when they are added, or will never be.
        """
        self._expected += pairs
        self.waiting_tokens += tokens
        self._count_of(client, pairs)

    def add(self, task: Task) -> None:
        """Let a task in; what is known already has its outcome at once."""
        keys = {place: pair_key(task.query, task.documents[place]) for place in task.reading_order()}
        task.began_ms = self._clock()
        if task.deadline is not None:
            self._hurry(task.deadline.budget_ms)
        fresh = 0
        for place, key in keys.items():  # from here on nothing may fail
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                task.outcomes[place] = known
                task.cached += 1
                continue
            pair = self._open.get(key)
            if pair is None:
                pair = Pair(key, task.query, task.documents[place], task.lengths[place])
                self._open[key] = pair
                self.waiting_tokens += pair.tokens
            elif pair.takers[0][0] is not task:
                task.shared += 1
            pair.takers.append((task, place))
            fresh += 1
            task.pending.append(pair)
        if fresh:
            self._count(task, fresh)
            task.pending.reverse()  # so that the next one is the last, which is cheap to take
            self._shares.add(task)
        else:
            task.is_over = True

    def drop(self, task: Task) -> None:
        """Forget a task: its client has gone, or its deadline has passed. What others want too stays."""
        self._close(task)
        self._count(task, -task.waiting)
        task.is_over = True

    def ended(self) -> list[Task]:
        """Return the tasks that `next_batch` ended since the last call, since there was no time for more of them."""
        ended, self._ended = self._ended, []
        return ended

    def next_batch(self) -> Batch | None:
        """Take pairs in fair turns until the batch is full; None when nothing waits.

        While requests by a deadline come, batches are short, so that what runs does not use the next one's budget up. A
        pair that is longer than a batch has one of its own. A task by a deadline gives only what is
        predicted to end before it. When that is nothing beside what runs, it waits for the next call; when it would
        be nothing if nothing ran, it is closed: over when what runs of it is done.
        """
        if self._again:
            return self._again.pop()
        now = self._clock()
        pairs: list[Pair] = []
        used, room, passed = 0, self._room(), 0
        while passed < _LOOK_PAST and used < room and (task := self._shares.next()) is not None:
            pair = self._next_pair(task)
            if pair is None:
                continue
            in_time = self._in_time(task)
            if pair.tokens > in_time:
                if task.first_ms is None and not self.running_tokens:
                    self.throughput.doubt(pair.tokens, self._left_ms(task))
                self._close(task)  # not one more pair would be done
                self._ended += [task] if task.is_over else []
                continue
            allowed = in_time - self.running_tokens
            has_room = used + pair.tokens <= room or not pairs
            if used + pair.tokens > allowed or not has_room:
                self._shares.pass_over(task)
                passed += not has_room
                continue
            self._take(task, pair, now)
            pairs.append(pair)
            used, room = used + pair.tokens, min(room, allowed)
        self._shares.end_turn()
        self.running_tokens += used
        return Batch(pairs, now) if pairs else None

    def finished(self, batch: Batch, outcomes: Sequence[Outcome]) -> list[Task]:
        """Hand out a batch's outcomes, one a pair; returns the tasks that got some."""
        self.throughput.learn(batch.tokens, began_ms=batch.taken_ms, ended_ms=self._clock())
        self._failures = 0
        return self._settled(batch, outcomes)

    def failed(self, batch: Batch, error: Exception) -> list[Task]:
        """Take a batch that raised: its halves are tried again, so that one bad pair harms no other.

        A single pair fails. After many of those in a row the model is taken to be broken, and whole batches fail.
        """
        if len(batch.pairs) > 1 and self._failures < _HOPELESS:
            middle = len(batch.pairs) // 2
            self._again += [Batch(batch.pairs[middle:], batch.taken_ms), Batch(batch.pairs[:middle], batch.taken_ms)]
            return []
        self._failures += 1
        return self._settled(batch, [PairFailure(error)] * len(batch.pairs))

    def _hurry(self, budget_ms: float) -> None:
        """Keep the shortest budget of late."""
        now = self._clock()
        if budget_ms <= self._shortest_ms or now >= self._hurried_until_ms:
            self._shortest_ms, self._hurried_until_ms = budget_ms, now + _HURRIED_MS

    def _room(self) -> float:
        """Return the tokens of a batch."""
        if self._clock() >= self._hurried_until_ms:
            return float(self._batch_tokens)
        short = max(self._batch_tokens, self.throughput.tokens_in(self._shortest_ms)) / _HURRY
        return min(float(self._batch_tokens), short)

    def _next_pair(self, task: Task) -> Pair | None:
        while task.pending:
            pair = task.pending[-1]
            if not pair.is_taken:
                return pair
            task.pending.pop()
        return None

    def _close(self, task: Task) -> None:
        """Take no more pairs of a task."""
        for pair in {id(pair): pair for pair in task.pending if not pair.is_taken}.values():
            kept = [taker for taker in pair.takers if taker[0] is not task]
            self._count(task, len(kept) - len(pair.takers))
            pair.takers = kept
            if not kept:
                del self._open[pair.key]
                self.waiting_tokens -= pair.tokens
        task.pending = []
        task.is_over = task.waiting == 0

    def _in_time(self, task: Task) -> float:
        """Predict how many tokens can be read before a task's deadline, those that run included."""
        left_ms = self._left_ms(task)
        return left_ms if left_ms == math.inf else self.throughput.tokens_in(left_ms)

    def _left_ms(self, task: Task) -> float:
        return math.inf if task.deadline is None else task.deadline.left_ms * SAFETY

    def _take(self, task: Task, pair: Pair, now: float) -> None:
        task.pending.pop()
        pair.is_taken = True
        self.waiting_tokens -= pair.tokens
        self._shares.charge(task, pair.tokens)
        for taker, _ in pair.takers:
            if taker.first_ms is None:
                taker.first_ms = now

    def _settled(self, batch: Batch, outcomes: Iterable[Outcome]) -> list[Task]:
        self.running_tokens -= batch.tokens
        touched: dict[int, Task] = {}
        for pair, outcome in zip(batch.pairs, outcomes, strict=True):
            del self._open[pair.key]
            if isinstance(outcome, PairScore):
                self._remember(pair.key, outcome)
            for task, place in pair.takers:
                if not task.is_over:
                    task.outcomes[place] = outcome
                    self._count(task, -1)
                    touched[id(task)] = task
        for task in touched.values():
            task.is_over = task.waiting == 0
        return list(touched.values())

    def _count(self, task: Task, pairs: int) -> None:
        """Count outcomes that a task waits for, also for its client."""
        task.waiting += pairs
        self._count_of(task.client, pairs)

    def _count_of(self, client: str, pairs: int) -> None:
        self._of_client[client] = self._of_client.get(client, 0) + pairs
        if not self._of_client[client]:
            del self._of_client[client]

    def _remember(self, key: bytes, score: PairScore) -> None:
        if self._remembered:
            self._known[key] = score
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
