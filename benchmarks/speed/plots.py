"""Lines in an SVG file that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from shortlist.evaluation.report.svg import Frame, element, label, path, ticks

Line = Sequence[tuple[float, float]]
_COLOURS = (
    "#0b6e4f",
    "#c1440e",
    "#2f4b7c",
    "#8a508f",
    "#b8860b",
    "#5a5a5a",
    "#17becf",
    "#d62728",
    "#7f7f00",
    "#444444",
)
_STYLE = (
    "svg{background:#fff}text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd}.axis{stroke:#333}"
    "path{fill:none;stroke-width:2}.bound{stroke-dasharray:6 4}"
)


def save_lines(
    file: Path, lines: Mapping[str, Line], *, x: str, y: str, bounds: Mapping[str, Line], highest: float | None = None
) -> None:
    """Draw lines from zero on, `bounds` dashed, named from top to bottom; what is above `highest` is cut."""
    frame = Frame(width=820, height=440, right=230)
    drawn = {**lines, **bounds}
    right = max(px for line in drawn.values() for px, _ in line)
    top = highest or 1.05 * max(py for line in drawn.values() for _, py in line)
    to_x, to_y = frame.x(0, right), frame.y(0, top)
    parts = [element("style", _STYLE), frame.y_axis(ticks(0, top), to_y, y), frame.x_axis(ticks(0, right), to_x, x)]
    ends = []
    for place, (name, line) in enumerate(drawn.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        points = [(to_x(px), to_y(min(py, top))) for px, py in line]
        parts.append(path(points, stroke=colour, class_="bound" if name in bounds else "line"))
        ends.append((points[-1][1], name, colour))
    for place, (_, name, colour) in enumerate(sorted(ends)):
        parts.append(label(name, frame.width - frame.right + 8, frame.top + 16 * place + 10, style=f"fill:{colour}"))
    picture = frame.picture("".join(parts), what=f"{y} against {x}")
    file.write_text(picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n", encoding="utf-8")
