"""The queries that moved most, with the first passages of both systems beside each other, as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from shortlist.evaluation.report.figures import signed
from shortlist.evaluation.results import Evaluation, Moved, Passage


def moved_queries(evaluation: Evaluation) -> Iterator[str]:
    """Yield a heading, and for each comparison one foldable block a query; the very first is open."""
    if evaluation.moved:
        yield f"<h2>Queries that moved most in {escape(evaluation.measures[0])}</h2>"
    is_open = True
    for (system, baseline), found in groupby(evaluation.moved, key=lambda one: (one.system, one.baseline)):
        yield f"<h3>{escape(system)} against {escape(baseline)}</h3>"
        for one in found:
            yield _block(one, is_open=is_open)
            is_open = False


def _block(one: Moved, *, is_open: bool) -> str:
    kind, state = "yes" if one.difference > 0 else "no", " open" if is_open else ""
    return (
        f'<details class="card"{state}><summary><span class="{kind}">{signed(one.difference)}</span>'
        f' {escape(one.query)} <span class="from">query {escape(one.query_id)}</span></summary>'
        f'<div class="pair">{_list(one.system, one.passages, one.baseline)}'
        f"{_list(one.baseline, one.baseline_passages, one.system)}</div></details>"
    )


def _list(name: str, passages: Sequence[Passage], other: str) -> str:
    items = "".join(f"<li>{_passage(passage, other)}</li>" for passage in passages) or "<li>nothing found</li>"
    return f'<div><h4>{escape(name)}</h4><ol class="passages">{items}</ol></div>'


def _passage(passage: Passage, other: str) -> str:
    grade, kind = ("unjudged", "") if passage.relevance is None else (str(passage.relevance), "")
    if passage.relevance:
        kind = " relevant"
    there = f"rank {passage.other_rank} at {other}" if passage.other_rank else f"not found by {other}"
    text = escape(passage.text) or f"<code>{escape(passage.doc_id)}</code>"
    return f'<span class="grade{kind}">{grade}</span>{text} <span class="from">{escape(there)}</span>'
