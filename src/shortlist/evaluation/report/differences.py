"""Every query's difference between a system and its baseline, sorted."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.evaluation.report.figures import signed
from shortlist.evaluation.report.svg import Frame, element, ticks, titled


def differences(ours: Mapping[str, float], theirs: Mapping[str, float], measure: str, *, reach: float = 0.0) -> str:
    """Draw a bar a query, the largest gain first; queries without a difference are the gap in the middle.

    The axis goes to `reach` at least, so that pictures with the same one can be compared.
    """
    values = sorted(((value - theirs[query_id], query_id) for query_id, value in ours.items()), reverse=True)
    frame = Frame(width=420, height=210, bottom=30)
    reach = max(0.1, reach, *(abs(value) for value, _ in values))
    y = frame.y(-reach, reach)
    width = (frame.width - frame.left - frame.right) / len(values)
    bars = []
    for place, (value, query_id) in enumerate(values):
        top, bottom = sorted((y(value), y(0)))
        kind = "gain" if value > 0 else "loss"
        x = frame.left + place * width
        bar = element("rect", x=x, y=top, width=max(width * 0.86, 0.4), height=max(bottom - top, 0.6), class_=kind)
        bars.append(titled(bar, f"query {query_id}: {signed(value)}"))
    axes = frame.y_axis(ticks(-reach, reach, about=4), y, f"difference in {measure}")
    line = element("line", x1=frame.left, x2=frame.width - frame.right, y1=y(0), y2=y(0), class_="axis")
    foot = frame.x_axis([], y, f"{len(values)} queries, largest gain first")
    return frame.picture(axes + "".join(bars) + line + foot, what=f"difference in {measure} of every query")
