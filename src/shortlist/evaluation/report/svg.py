"""SVG from numbers: elements, scales and axes, as pure functions that give text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from shortlist.evaluation.report.figures import plain

Scale = Callable[[float], float]  # a value to a place in the picture


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; attribute values are escaped, `content` must be SVG already, `class_` is `class`."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value), quote=True)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def label(text: str, x: float, y: float, **attributes: object) -> str:
    """Return a text, escaped."""
    return element("text", escape(text, quote=False) or " ", x=x, y=y, **attributes)


def titled(shape: str, tip: str) -> str:
    """Return a group that shows a tip when pointed at."""
    return element("g", f"<title>{escape(tip, quote=False)}</title>{shape}")


def path(points: Sequence[tuple[float, float]], **attributes: object) -> str:
    """Return a line through points."""
    moves = " ".join(f"{'M' if not place else 'L'}{_text(x)} {_text(y)}" for place, (x, y) in enumerate(points))
    return element("path", d=moves, **attributes)


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size and the margins around its plot, in pixels at full width."""

    width: float = 560
    height: float = 300
    left: float = 56
    right: float = 18
    top: float = 14
    bottom: float = 46

    def x(self, low: float, high: float, *, logarithmic: bool = False) -> Scale:
        """Return the scale of the horizontal axis."""
        return _scale(low, high, self.left, self.width - self.right, logarithmic)

    def y(self, low: float, high: float) -> Scale:
        """Return the scale of the vertical axis, upwards."""
        return _scale(low, high, self.height - self.bottom, self.top, False)

    def picture(self, content: str, *, what: str) -> str:
        """Return the whole picture, which scales with the page; `what` is read out by a screen reader."""
        box = f"0 0 {_text(self.width)} {_text(self.height)}"
        return element("svg", content, viewBox=box, role="img", aria_label=what)

    def x_axis(self, ticks: Sequence[float], scale: Scale, title: str, *, shown: Callable[[float], str] = plain) -> str:
        """Return ticks with labels below the plot, and the axis' title."""
        floor = self.height - self.bottom
        parts = [element("line", x1=self.left, x2=self.width - self.right, y1=floor, y2=floor, class_="axis")]
        parts += [label(shown(tick), scale(tick), floor + 16, class_="tick", text_anchor="middle") for tick in ticks]
        middle = (self.left + self.width - self.right) / 2
        return "".join([*parts, label(title, middle, self.height - 8, class_="title", text_anchor="middle")])

    def y_axis(self, ticks: Sequence[float], scale: Scale, title: str) -> str:
        """Return grid lines with labels left of the plot, and the axis' title along it."""
        parts = []
        for tick in ticks:
            y = scale(tick)
            parts.append(element("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, class_="grid"))
            parts.append(label(plain(tick), self.left - 6, y + 4, class_="tick", text_anchor="end"))
        middle = (self.top + self.height - self.bottom) / 2
        turned = f"rotate(-90 12 {_text(middle)})"
        return "".join([*parts, label(title, 12, middle, class_="title", text_anchor="middle", transform=turned)])


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Return round numbers between two values, about so many."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two positive values."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in found if low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9)]
    return inside if len(inside) <= 6 else [tick for tick in inside if math.log10(tick) % 1 < 1e-9]


def around(values: Sequence[float], *, margin: float = 0.08, least: float = 0.02) -> tuple[float, float]:
    """Return a range that holds the values with a margin; at least so wide that equal values stand in its middle."""
    low, high = min(values), max(values)
    space = max((high - low) * margin, least / 2)
    return low - space, high + space


def _scale(low: float, high: float, start: float, end: float, logarithmic: bool) -> Scale:
    a, b = (math.log10(low), math.log10(high)) if logarithmic else (low, high)
    span = (b - a) or 1.0

    def place(value: float) -> float:
        position = math.log10(max(value, 1e-12)) if logarithmic else value
        return start + (end - start) * (position - a) / span

    return place


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
