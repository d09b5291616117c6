"""A small HTTP client on asyncio: loops that are bounded in time, every request accounted for."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

ANSWERED, REFUSED, FAILED, LOST = "answered", "refused", "failed", "lost"
LATE, CUT, UNREACHED = "timed out", "unfinished", "not connected"
OK = 200
_PAUSE_S = 0.2  # after a refusal that names no time; at most a second is waited, so that a run goes on


@dataclass(slots=True)
class Tally:
    """Latencies in milliseconds of what was answered, and how every request ended."""

    latencies_ms: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.ends[ANSWERED] / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return a latency that `share` of the answers kept to; NaN when there are none."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan

    def within(self, limit_ms: float) -> float:
        """Return how many requests a second were answered within a limit: the goodput."""
        return sum(one <= limit_ms for one in self.latencies_ms) / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Connection:
    """A kept connection to a port of this machine, opened when it is needed."""

    port: int
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, body: bytes, path: str = "/rerank") -> tuple[int, float]:
        """Send a request; returns the status and the seconds after which to come again, 0 when none are said."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in answer.split("\r\n")[1:] if ": " in line)
        await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(answer.split(" ", 2)[1]), float(headers.get("retry-after", 0))

    def close(self) -> None:
        """Forget the connection."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def closed_loop(port: int, bodies: Iterator[bytes], *, concurrency: int, seconds: float) -> Tally:
    """Keep `concurrency` requests under way; what is still open at the end counts as unfinished."""
    tally = Tally(seconds=seconds)
    ends_at = time.perf_counter() + seconds

    async def worker() -> None:
        connection = Connection(port)
        while time.perf_counter() < ends_at:
            again_s = await _one(connection, next(bodies), tally, time.perf_counter())
            if again_s < 0:
                return
            if again_s:
                await asyncio.sleep(min(1.0, again_s, max(0.0, ends_at - time.perf_counter())))
        connection.close()

    workers = [asyncio.create_task(worker()) for _ in range(concurrency)]
    _, open_ones = await asyncio.wait(workers, timeout=seconds)
    await _cancelled(open_ones, tally)
    return tally


async def open_loop(
    port: int, bodies: Iterator[bytes], *, rate: float, seconds: float, patience_s: float, seed: int
) -> Tally:
    """Send at random instants, `rate` a second, whether answers come or not; latency counts from the instant meant."""
    tally = Tally(seconds=seconds)
    rng, idle, running = random.Random(seed), list[Connection](), set[asyncio.Task[None]]()
    began = at = time.perf_counter()

    async def one(meant: float) -> None:
        connection = idle.pop() if idle else Connection(port)
        try:
            await asyncio.wait_for(_one(connection, next(bodies), tally, meant), patience_s)
            idle.append(connection)
        except asyncio.TimeoutError:
            tally.ends[LATE] += 1
            connection.close()

    while (at := at + rng.expovariate(rate)) < began + seconds:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        task = asyncio.create_task(one(at))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running, timeout=patience_s)
    tally.seconds = time.perf_counter() - began  # answers that came after the last request took their time too
    await _cancelled(running.copy(), tally)
    for connection in idle:
        connection.close()
    return tally


async def _one(connection: Connection, body: bytes, tally: Tally, meant: float) -> float:
    """Ask once; returns after how many seconds to ask again, below 0 when nobody listens any more."""
    try:
        status, again_s = await connection.ask(body)
    except ConnectionRefusedError:
        tally.ends[UNREACHED] += 1
        return -1.0
    except (OSError, EOFError):
        tally.ends[LOST] += 1
        connection.close()
        return _PAUSE_S
    if status == OK:
        tally.ends[ANSWERED] += 1
        tally.latencies_ms.append((time.perf_counter() - meant) * 1000)
        return 0.0
    tally.ends[REFUSED if status in {429, 503} else FAILED] += 1
    return again_s or _PAUSE_S


async def _cancelled(tasks: Sequence[asyncio.Task[None]] | set[asyncio.Task[None]], tally: Tally) -> None:
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    tally.ends[CUT] += sum(isinstance(one, asyncio.CancelledError) for one in ended)


def counted(make: Callable[[int], bytes]) -> Iterator[bytes]:
    """Make bodies that all differ, one after another."""
    number = 0
    while True:
        yield make(number)
        number += 1
