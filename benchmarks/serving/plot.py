"""Throughput against concurrency as a picture that stands on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.evaluation.report.svg import Frame, element, label, path, ticks

_COLOURS = ("#1d5fa8", "#a8502a", "#1b7a43", "#7a4fa0")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}.axis{stroke:#888}"
    "svg{background:#fff}@media(prefers-color-scheme:dark){svg{background:#15171b}text{fill:#ccc}.grid{stroke:#333}}"
)


def throughput_plot(found: Sequence[Mapping[str, Any]], concurrency: Sequence[int]) -> str:
    """Return an SVG file with one line a server."""
    frame = Frame(right=150)
    most = max(step["rate"] for one in found for step in one["closed"].values()) * 1.08
    x, y = frame.x(min(concurrency), max(concurrency), logarithmic=True), frame.y(0, most)
    parts = [element("style", _STYLE), frame.y_axis(ticks(0, most), y, "requests answered a second")]
    parts.append(frame.x_axis(concurrency, x, "requests at once", shown=lambda tick: f"{tick:g}"))
    for one, colour in zip(found, _COLOURS, strict=False):
        points = [(x(at), y(one["closed"][at]["rate"])) for at in concurrency]
        parts.append(path(points, fill="none", stroke=colour, stroke_width=2))
        parts += [element("circle", cx=px, cy=py, r=3, fill=colour) for px, py in points]
        parts.append(label(str(one["name"]), points[-1][0] + 8, points[-1][1] + 4))
    picture = frame.picture("".join(parts), what="Throughput against concurrency, a line a server")
    return picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"
