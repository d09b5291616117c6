"""Small multiples of `size.py`'s figures against size: `python -m benchmarks.scale.plots size.json out.svg`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.scale.size import looked_up

PANELS = (
    ("ingest, texts/s", ["ingest_per_s"]),
    ("disk, exact, MB", ["disk_mb"]),
    ("memory, exact and codes, MB", ["exact.rss_mb", "codes.rss_mb"]),
    ("open to read, exact and codes, s", ["exact.open_s", "codes.open_s"]),
    ("BM25 P50, P95, ms", ["exact.bm25.p50_ms", "exact.bm25.p95_ms"]),
    ("dense, exact P50, P95, ms", ["exact.dense.p50_ms", "exact.dense.p95_ms"]),
    ("dense, codes P50, P95, ms", ["codes.dense.p50_ms", "codes.dense.p95_ms"]),
    ("hybrid, codes P50, P95, ms", ["codes.hybrid.p50_ms", "codes.hybrid.p95_ms"]),
    ("make codes, build graph, s", ["codes_s", "graph_s"]),
)
_WIDTH, _HEIGHT, _MARGIN, _ACROSS = 260, 150, 36, 3
_COLOURS = ("#1f5aa6", "#c2571a")


def panel(title: str, keys: list[str], sizes: list[dict[str, Any]], left: int, top: int) -> str:
    """Draw one figure on logarithmic axes, each point with its value."""
    points = [(one["size"], key, looked_up(one, key)) for key in keys for one in sizes]
    known = [(size, key, value) for size, key, value in points if value]
    parts = [f'<text x="{left}" y="{top - 8}" font-weight="bold">{escape(title)}</text>']
    if not known:
        return "".join([*parts, f'<text x="{left}" y="{top + 40}">not measured</text>'])
    low, high = (edge(value for *_, value in known) for edge in (min, max))
    ends = [math.log10(one["size"]) for one in (sizes[0], sizes[-1])]

    def place(size: float, value: float) -> tuple[float, float]:
        across = (math.log10(size) - ends[0]) / ((ends[1] - ends[0]) or 1)
        up = math.log(value / low) / (math.log(high / low) or 1)
        return left + across * (_WIDTH - 70), top + _HEIGHT - 40 - up * (_HEIGHT - 60)

    highest = {size: max(value for there, _, value in known if there == size) for size, *_ in known}
    for colour, key in zip(_COLOURS, keys, strict=False):
        line = [(size, value, *place(size, value)) for size, name, value in known if name == key]
        path = " ".join(f"{x:.1f},{y:.1f}" for *_, x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for size, value, x, y in line:
            beside = y - 4 if value == highest[size] else y + 11
            parts.append(f'<text x="{x + 3:.1f}" y="{beside:.1f}" fill="{colour}">{_number(value)}</text>')
    for one in sizes:
        x, _ = place(one["size"], low)
        parts.append(f'<text x="{x:.1f}" y="{top + _HEIGHT - 22}" fill="#666">{one["size"]:,}</text>')
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def drawing(sizes: list[dict[str, Any]]) -> str:
    """Return the SVG of all figures."""
    ordered = sorted(sizes, key=lambda one: one["size"])
    rows = math.ceil(len(PANELS) / _ACROSS)
    width, height = _ACROSS * (_WIDTH + 20) + _MARGIN, rows * (_HEIGHT + 20) + _MARGIN
    drawn = []
    for place, (title, keys) in enumerate(PANELS):
        left, top = _MARGIN // 2 + place % _ACROSS * (_WIDTH + 20), _MARGIN + place // _ACROSS * (_HEIGHT + 20)
        drawn.append(panel(title, keys, ordered, left, top))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    head += ' font-family="sans-serif" font-size="10">'
    return head + f'<rect width="{width}" height="{height}" fill="white"/>' + "".join(drawn) + "</svg>\n"


if __name__ == "__main__":
    found = [one for file in sys.argv[1:-1] for one in json.loads(Path(file).read_text(encoding="utf-8"))["sizes"]]
    Path(sys.argv[-1]).write_text(drawing(found), encoding="utf-8")
