"""What becomes of requests when something goes wrong: a table of faults with requests sent, answered, refused and lost.

A request is lost when it was sent and no whole answer came; one that could not connect any more counts as refused.
Linux only. `--faketime` is the path of libfaketime, for the jumps of the clock; it is left out without one.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.serving.client import ANSWERED, CUT, FAILED, LOST, REFUSED, UNREACHED, Connection, Tally, closed_loop
from benchmarks.serving.load import requests, settle
from benchmarks.serving.processes import Served, serving
from shortlist.evaluation.report.markdown import table

IDLE = 10_000
Event = tuple[float, Callable[[], None]]
"""What happens, and after how many seconds."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The command of the server, with `{port}` and `{model}`, its model's folder, and request bodies."""

    command: str
    model: str
    bodies: Iterator[bytes]
    faketime: str = ""

    def line(self, model: str | Path) -> str:
        """Return the command with a model; the port is filled in later."""
        return self.command.replace("{model}", str(model))


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the requests of one fault, and what else was seen."""

    fault: str
    ends: Counter[str]
    seen: str

    def cells(self) -> list[str]:
        """Return the row of the table."""
        refused = self.ends[REFUSED] + self.ends[UNREACHED]
        counts = (self.ends.total() - self.ends[CUT], self.ends[ANSWERED], refused, self.ends[LOST] + self.ends[FAILED])
        return [self.fault, *(f"{count:,}" for count in counts), self.seen]


def under_load(server: Served, bench: Bench, *, seconds: float, events: Sequence[Event]) -> Tally:
    """Keep 16 requests under way, and let things happen after so many seconds."""

    async def both() -> Tally:
        loop = asyncio.get_running_loop()
        for after_s, event in events:
            loop.call_later(after_s, event)
        return await closed_loop(server.port, bench.bodies, concurrency=16, seconds=seconds)

    return asyncio.run(both())


def ended_by_sigterm(bench: Bench) -> Row:
    """SIGTERM while 16 clients ask without a pause."""
    with serving("sigterm", bench.line(bench.model)) as server:
        settle(server, bench.bodies)
        tally = under_load(server, bench, seconds=30, events=[(3, server.process.terminate)])
        return Row("SIGTERM under load", tally.ends, f"ended with status {server.process.wait(30)}")


def reloaded(bench: Bench) -> Row:
    """SIGHUP three times under load: keys and models are read again."""
    with serving("sighup", bench.line(bench.model)) as server:
        settle(server, bench.bodies)
        again = [(at, lambda: server.process.send_signal(signal.SIGHUP)) for at in (2.0, 6.0, 10.0)]
        tally = under_load(server, bench, seconds=20, events=again)
        times = server.log.read_text().count('"loaded again"')
        return Row("SIGHUP under load", tally.ends, f"the model was exchanged {times} times")


def killed(bench: Bench) -> Row:
    """SIGKILL under load, and the same command again."""
    with serving("sigkill", bench.line(bench.model)) as server:
        settle(server, bench.bodies)
        tally = under_load(server, bench, seconds=6, events=[(3, server.process.kill)])
    with serving("again", bench.line(bench.model)) as server:
        settle(server, bench.bodies)
        return Row("kill -9 under load, restart", tally.ends, f"listens again after {server.ready_s:.1f} s")


def dripped(bench: Bench) -> Row:
    """200 clients that send a byte of a head every half second, beside real ones."""
    with serving("slow", bench.line(bench.model)) as server:
        settle(server, bench.bodies)

        async def drip(open_until: list[float]) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            began = time.monotonic()
            with suppress(OSError):
                for letter in b"POST /rerank HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 60:
                    writer.write(bytes([letter]))
                    with suppress(asyncio.TimeoutError):
                        if await asyncio.wait_for(reader.read(1), 0.5) == b"":
                            break
            open_until.append(time.monotonic() - began)
            writer.close()

        async def both() -> tuple[Tally, list[float]]:
            held: list[float] = []
            slow = [asyncio.create_task(drip(held)) for _ in range(200)]
            tally = await closed_loop(server.port, bench.bodies, concurrency=4, seconds=12)
            await asyncio.gather(*slow)
            return tally, held

        tally, held = asyncio.run(both())
        return Row("slow-loris, 200 connections", tally.ends, f"each was cut off after {max(held):.1f} s at most")


def oversized(bench: Bench) -> Row:
    """Bodies of 50 MB."""
    with serving("large", bench.line(bench.model)) as server:
        before = server.memory_mb()
        bodies = iter([b"x" * 50_000_000] * 20)
        statuses: Counter[int] = Counter()

        async def ask() -> None:
            connection = Connection(server.port)
            for body in bodies:
                statuses[(await connection.ask(body))[0]] += 1
            connection.close()

        asyncio.run(ask())
        grown = server.memory_mb() - before
        refused = statuses.keys() & {413, 422}  # Infinity's, whose path this is, has no 413
        ends = Counter({REFUSED: sum(statuses[one] for one in refused)})
        ends[FAILED] = statuses.total() - ends[REFUSED]
        said = ", ".join(map(str, sorted(statuses)))
        return Row("bodies of 50 MB", ends, f"status {said} on a connection that goes on; {grown:.0f} MB more memory")


def damaged(bench: Bench) -> Row:
    """The model's files are overwritten while it is served, read again by SIGHUP, and put back."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model"
        shutil.copytree(bench.model, copy)
        weights = max(copy.iterdir(), key=lambda file: file.stat().st_size)
        whole = weights.read_bytes()
        with serving("damaged", bench.line(copy)) as server:
            settle(server, bench.bodies)
            events: list[Event] = [
                (1, lambda: _overwrite(weights, whole[: len(whole) // 2])),
                (3, lambda: server.process.send_signal(signal.SIGHUP)),
                (8, lambda: _overwrite(weights, whole)),
                (9, lambda: server.process.send_signal(signal.SIGHUP)),
            ]
            tally = under_load(server, bench, seconds=20, events=events)
            log = server.log.read_text()
            stayed, again = log.count("the old one stays"), log.count('"loaded again"')
        seen = f"cut to half: refused {stayed} times, the old one went on; whole again: taken {again} times"
        return Row("model file damaged while it is served", tally.ends, seen)


def _overwrite(file: Path, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.truncate(0)
        opened.write(content)


def jumped(bench: Bench) -> Row:
    """The wall clock jumps a day ahead, and two days back."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder) / "clock"
        clock.write_text("+0")
        fake = {
            "LD_PRELOAD": bench.faketime,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with serving("clock", bench.line(bench.model), environ=fake) as server:
            settle(server, bench.bodies)
            events: list[Event] = [
                (2, lambda: _overwrite(clock, b"+1d")),
                (5, lambda: _overwrite(clock, b"-1d")),
            ]
            tally = under_load(server, bench, seconds=9, events=events)
            days = sorted({line[10:20] for line in server.log.read_text().splitlines() if line.startswith('{"time"')})
        return Row("clock jumps +1 and -2 days", tally.ends, f"the log's days: {', '.join(days)}")


def crowded(bench: Bench) -> Row:
    """Ten thousand connections that have asked once and stay."""
    with serving("crowd", bench.line(bench.model), environ={"SHORTLIST_SERVE_KEEP_ALIVE_S": "600"}) as server:
        settle(server, bench.bodies)
        before = server.memory_mb()

        async def crowd() -> tuple[Tally, int, float]:
            kept = []
            for _ in range(IDLE // 100):
                some = await asyncio.gather(*(_greeted(server.port) for _ in range(100)))
                kept += some
            tally = await closed_loop(server.port, bench.bodies, concurrency=4, seconds=10)
            memory = server.memory_mb()
            alive = await asyncio.gather(*(_is_open(reader, writer) for reader, writer in kept))
            for _, writer in kept:
                writer.close()
            return tally, sum(alive), memory

        tally, alive, memory = asyncio.run(crowd())
        seen = (
            f"{alive:,} of {IDLE:,} still answer; {memory - before:.0f} MB; P95 {tally.percentile(0.95):.0f} ms beside"
        )
        return Row(f"{IDLE:,} idle connections", tally.ends, seen)


_GREETING = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def _greeted(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    await _is_open(reader, writer)
    return reader, writer


async def _is_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(_GREETING)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    except (OSError, EOFError):
        return False
    return True


FAULTS: dict[str, Callable[[Bench], Row]] = {
    "sigterm": ended_by_sigterm,
    "reload": reloaded,
    "kill": killed,
    "drip": dripped,
    "oversize": oversized,
    "damage": damaged,
    "clock": jumped,
    "idle": crowded,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the faults one after another and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", required=True, help="with {port} and {model}")
    parser.add_argument("--model", required=True, help="a folder")
    parser.add_argument("--faketime", default="")
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS), default=tuple(FAULTS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    bench = Bench(given.command, given.model, requests(5), given.faketime)
    rows = []
    for name in given.only:
        if name == "clock" and not given.faketime:
            continue
        rows.append(FAULTS[name](bench))
        tell(f"{name}: {rows[-1].cells()}")
        keep(given.json, [{"fault": row.fault, "ends": dict(row.ends), "seen": row.seen} for row in rows])
    print(as_markdown(provenance("benchmarks.serving.faults", ["--command ..."])))
    print(table(["fault", "sent", "answered", "refused", "lost", "seen"], [row.cells() for row in rows]))


if __name__ == "__main__":
    main()
