"""Quality against latency, with the systems that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.evaluation.report.figures import milliseconds, short
from shortlist.evaluation.report.svg import Frame, around, element, label, log_ticks, path, ticks, titled
from shortlist.evaluation.results import SystemResult


def frontier(systems: Sequence[SystemResult], measure: str) -> list[SystemResult]:
    """Return the systems that are better than every faster one, the fastest first."""
    best: list[SystemResult] = []
    for system in sorted(systems, key=lambda one: (one.latency_ms(50), -one.mean(measure))):
        if not best or system.mean(measure) > best[-1].mean(measure):
            best.append(system)
    return best


def pareto(systems: Sequence[SystemResult], measure: str) -> str:
    """Draw each system at its median latency (a log axis) and mean, with the 95 % interval of the mean."""
    frame = Frame(height=310)
    latencies = [max(system.latency_ms(50), 0.01) for system in systems]
    low, high = min(latencies) / 1.6, max(latencies) * 1.6
    bounds = [bound for system in systems for bound in system.intervals[measure]]
    bottom, top = around(bounds)
    x, y = frame.x(low, high, logarithmic=True), frame.y(bottom, top)
    edge = [(x(max(one.latency_ms(50), 0.01)), y(one.mean(measure))) for one in frontier(systems, measure)]
    parts = [
        frame.y_axis(ticks(bottom, top), y, measure),
        frame.x_axis(log_ticks(low, high), x, "median latency of a query (log scale)", shown=_short_ms),
        path(edge, class_="frontier") if len(edge) > 1 else "",
    ]
    for place, (system, latency) in enumerate(zip(systems, latencies, strict=True)):
        parts.append(
            _point(
                system, place, x(latency), y(system.mean(measure)), [y(b) for b in system.intervals[measure]], measure
            )
        )
    return frame.picture("".join(parts), what=f"{measure} against median latency of {len(systems)} systems")


def _point(system: SystemResult, place: int, x: float, y: float, interval: list[float], measure: str) -> str:
    low, high = interval
    shape = element("line", x1=x, x2=x, y1=low, y2=high, class_=f"whisker s{place % 8}")
    shape += element("circle", cx=x, cy=y, r=9, class_=f"dot s{place % 8}")
    shape += label(str(place + 1), x, y + 4, class_="number", text_anchor="middle")
    tip = f"{system.name}: {measure} {short(system.mean(measure))} at {milliseconds(system.latency_ms(50))}"
    return titled(shape, tip)


def _short_ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
