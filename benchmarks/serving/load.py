"""Throughput against concurrency, latency at shares of capacity and in overload, and memory, server by server.

Each server gets the same kind of requests: passages of trec_dl19 under queries that no request has had before, so no
cache helps. The client is this process, on the same cores as the servers. `--soak` watches the memory of the first one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.progress import tell
from benchmarks.provenance import as_markdown, keep, provenance
from benchmarks.quality.collection import load_collection
from benchmarks.serving.client import CUT, LATE, OK, REFUSED, Connection, Tally, closed_loop, counted, open_loop
from benchmarks.serving.plot import throughput_plot
from benchmarks.serving.processes import Served, serving
from shortlist.evaluation.report.markdown import table

LIMIT_MS = 2000.0  # an answer that comes later is not counted as goodput
SHARES = (0.5, 0.9, 2.0)


@dataclass(frozen=True, slots=True)
class Dials:
    """How hard and how long."""

    concurrency: Sequence[int]
    step_s: float
    documents: int
    patience_s: float = 10.0
    seed: int = 0


def requests(documents: int) -> Iterator[bytes]:
    """Make request bodies that all differ, of real queries and passages."""
    collection = load_collection("trec_dl19")
    texts = [[one.text for one in collection.given(query, depth=100)] for query in collection.queries]
    windows = [(which, start) for start in range(0, 100 - documents, documents) for which in range(len(texts))]

    def make(number: int) -> bytes:
        which, start = windows[number % len(windows)]
        query = f"{collection.queries[which].text} ({number})"
        return json.dumps({"query": query, "documents": texts[which][start : start + documents]}).encode()

    return counted(make)


def measured(server: Served, dials: Dials, bodies: Iterator[bytes]) -> dict[str, Any]:
    """Run all steps against one server."""
    for _ in range(3):
        settle(server, bodies)
    memory = [server.memory_mb()]
    closed = {}
    for concurrency in dials.concurrency:
        closed[concurrency] = asyncio.run(
            closed_loop(server.port, bodies, concurrency=concurrency, seconds=dials.step_s)
        )
        memory.append(server.memory_mb())
        _tell(server, f"{concurrency} at once", closed[concurrency])
        settle(server, bodies)
    capacity = max(one.rate for one in closed.values())
    opened = {}
    for share in SHARES:
        opened[share] = asyncio.run(
            open_loop(
                server.port,
                bodies,
                rate=max(0.1, capacity * share),
                seconds=2 * dials.step_s,
                patience_s=dials.patience_s,
                seed=dials.seed,
            )
        )
        memory.append(server.memory_mb())
        _tell(server, f"{share:.0%} of capacity", opened[share])
        settle(server, bodies)
    return {
        "name": server.name,
        "ready_s": server.ready_s,
        "capacity": capacity,
        "closed": {key: row(one) for key, one in closed.items()},
        "open": {key: row(one) for key, one in opened.items()},
        "memory_mb": memory,
    }


def _tell(server: Served, step: str, tally: Tally) -> None:
    tell(f"{server.name}: {step}, {tally.rate:.1f}/s, {dict(tally.ends)}")


def settle(server: Served, bodies: Iterator[bytes]) -> None:
    """Wait until a single request is answered, so that no step inherits the queue of the one before."""

    async def answered() -> None:
        connection, status = Connection(server.port), 0
        while status != OK:
            try:
                status, _ = await connection.ask(next(bodies))
            except EOFError:  # some close what was idle, or after an error
                connection.close()
            if status != OK:
                await asyncio.sleep(0.1)
        connection.close()

    try:
        asyncio.run(asyncio.wait_for(answered(), 60))
    except (OSError, asyncio.TimeoutError) as error:
        raise SystemExit(f"{server.name} answers nothing:\n{server.log.read_text(errors='replace')[-2000:]}") from error


def row(tally: Tally) -> dict[str, Any]:
    """Return a step's figures as plain values."""
    percentiles = {f"p{share * 100:.0f}_ms": tally.percentile(share) for share in (0.5, 0.95, 0.99)}
    return {"rate": tally.rate, "goodput": tally.within(LIMIT_MS), **percentiles, "ends": dict(tally.ends)}


def report(found: Sequence[dict[str, Any]], dials: Dials) -> str:
    """Return both tables in Markdown."""
    first = [
        [
            one["name"],
            *(f"{one['closed'][c]['rate']:.1f}" for c in dials.concurrency),
            f"{one['memory_mb'][0]:.0f}, {max(one['memory_mb']):.0f}",
            f"{one['ready_s']:.1f}",
        ]
        for one in found
    ]
    second = [
        [
            one["name"],
            f"{share:.0%}",
            f"{one['capacity'] * share:.1f}",
            *(_ms(step[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            f"{step['goodput']:.1f}",
            str(step["ends"].get(REFUSED, 0)),
            str(step["ends"].get(LATE, 0) + step["ends"].get(CUT, 0)),
        ]
        for one in found
        for share, step in one["open"].items()
    ]
    heads = [f"{c} at once" for c in dials.concurrency]
    return "\n".join(
        [
            f"Requests answered a second, {dials.documents} documents each; memory in MB at first and at most:\n",
            table(["server", *heads, "memory", "ready after s"], first),
            f"Open loop at shares of each one's capacity; goodput: answered within {LIMIT_MS / 1000:g} s:\n",
            table(
                ["server", "load", "sent/s", "P50 ms", "P95 ms", "P99 ms", "goodput/s", "refused", "not in time"],
                second,
            ),
        ]
    )


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}"


def soak(server: Served, dials: Dials, bodies: Iterator[bytes], *, minutes: float, rate: float) -> dict[str, Any]:
    """Send at a steady rate and write the memory down every ten seconds."""
    asyncio.run(closed_loop(server.port, bodies, concurrency=4, seconds=dials.step_s))
    seen: list[tuple[float, float]] = []
    total = Tally()
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60:
        part = asyncio.run(
            open_loop(server.port, bodies, rate=rate, seconds=10, patience_s=dials.patience_s, seed=len(seen))
        )
        total.ends += part.ends
        total.seconds += part.seconds
        seen.append((time.monotonic() - began, server.memory_mb()))
        tell(f"{server.name}: {seen[-1][0]:.0f} s, {seen[-1][1]:.1f} MB, {dict(total.ends)}")
    half = len(seen) // 2
    return {
        "name": server.name,
        "rate": rate,
        "ends": dict(total.ends),
        "memory": seen,
        "growth_mb": _growth(seen[half:]),
    }


def _growth(seen: Sequence[tuple[float, float]]) -> float:
    """Return the memory's growth in MB an hour, as a straight line through what was seen."""
    middle_s, middle_mb = (sum(part) / len(seen) for part in zip(*seen, strict=True))
    spread = sum((s - middle_s) ** 2 for s, _ in seen)
    return 3600 * sum((s - middle_s) * (mb - middle_mb) for s, mb in seen) / spread if spread else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the servers one after another, measure them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND", help="{port} is its port")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--step-s", type=float, default=8.0)
    parser.add_argument("--documents", type=int, default=10)
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second of --soak")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args(arguments)
    dials = Dials(tuple(given.concurrency), given.step_s, given.documents)
    bodies = requests(dials.documents)
    commands = [one.split("=", 1) for one in given.server]
    found = []
    for name, command in commands[: 1 if given.soak else None]:
        with serving(name, command) as server:
            if given.soak:
                found.append(soak(server, dials, bodies, minutes=given.soak, rate=given.rate))
            else:
                found.append(measured(server, dials, bodies))
    made = provenance("benchmarks.serving.load", [f"--server {name}=..." for name, _ in commands])
    keep(given.json, {"provenance": made, "found": found})
    if given.soak:
        print(json.dumps({name: value for name, value in found[0].items() if name != "memory"}))
        print(", ".join(f"{mb:.0f}" for _, mb in itertools.islice(found[0]["memory"], 0, None, 6)), "MB, once a minute")
        return
    if given.plot:
        given.plot.write_text(throughput_plot(found, dials.concurrency), encoding="utf-8")
    print(as_markdown(made))
    print(report(found, dials))


if __name__ == "__main__":
    main()
