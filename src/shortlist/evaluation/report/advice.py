"""Advice as tables, and as a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from shortlist.evaluation.advising import Advice
from shortlist.evaluation.outcome import mean
from shortlist.evaluation.provenance import as_markdown
from shortlist.evaluation.report.figures import milliseconds, p_value, short, signed
from shortlist.evaluation.report.markdown import Table, cell, table
from shortlist.gating.advice import Gain


def advice_markdown(advice: Advice) -> str:
    """Return the verdict, the tables it was drawn from, the notes, and how it was made."""
    about = advice.collection
    parts = [
        f"# Is reranking worth it on {cell(str(about['name']))}?\n",
        f"**{cell(advice.verdict)}**\n",
        f"{about['queries']} queries; first stage: {cell(advice.first_stage)}.\n",
        as_markdown(dict(advice.provenance)),
    ]
    for title, (header, rows) in advice_tables(advice):
        parts += [f"## {title}\n", table(header, rows)]
    parts += [f"- {cell(note)}" for note in advice.notes]
    return "\n".join(parts).rstrip() + "\n"


def advice_tables(advice: Advice) -> Iterator[tuple[str, Table]]:
    """Yield each table with its title."""
    if advice.changes:
        yield "What changes, without judgements", _changes(advice)
        return
    yield f"nDCG@{advice.passages} of the first stage", _first(advice)
    yield f"Gain in nDCG@{advice.passages} by depth", _depths(advice)
    yield "Against no reranking, at the deepest", _tests(advice)
    yield "Gain by how many passages the generator takes", _passages(advice)
    if advice.mixes:
        yield "With the first stage's scores added (`--first-stage-weight`)", _mixes(advice)


def _first(advice: Advice) -> Table:
    value, low, high = advice.baseline or (0.0, 0.0, 0.0)
    header = ["first stage", f"nDCG@{advice.passages}", "95 % interval", "best possible order", "recall"]
    cells = [
        short(value),
        f"{short(low)} to {short(high)}",
        short(advice.ceiling or 0.0),
        f"{advice.recall or 0.0:.1%}",
    ]
    return header, [[advice.first_stage, *cells]]


def _depths(advice: Advice) -> Table:
    rows = [
        [one.model, str(gain.at), *_gain(gain), "-" if gain.latency_ms is None else milliseconds(gain.latency_ms), mark]
        for one in advice.models
        for gain in one.gains
        for mark in ("90 % of its gain" if gain == one.enough else "",)
    ]
    return ["model", "depth", "gain", "95 % interval", "latency", ""], rows


def _tests(advice: Advice) -> Table:
    rows = [
        [
            one.model,
            *_gain(one.deepest),
            p_value(one.p),
            "helps" if one.helps else "hurts" if one.hurts else "may be chance",
        ]
        for one in advice.models
    ]
    return ["model", "gain", "95 % interval", "p (Holm)", "so it"], rows


def _passages(advice: Advice) -> Table:
    header = ["model", "passages", "gain in nDCG", "95 % interval", "gain in recall", "95 % interval"]
    return header, [[one.model, str(one.passages), *_gain(one.ndcg), *_gain(one.recall)] for one in advice.by_passages]


def _mixes(advice: Advice) -> Table:
    header = ["model", "best weight of the first stage", f"nDCG@{advice.passages} of queries held out"]
    return header, [[mix.model, f"{mix.weight:g}", short(mean(mix.values))] for mix in advice.mixes]


def _changes(advice: Advice) -> Table:
    header = ["model", f"of the first {advice.passages} kept", "same first", "depth that settles 90 %", "agreement"]
    rows = [
        [
            one.model,
            f"{one.kept:.0%}",
            f"{one.same_first:.0%}",
            f"{one.enough} of {max(one.settled)}",
            ", ".join(f"{share:.0%} with {other}" for other, share in one.agreement.items()) or "-",
        ]
        for one in advice.changes
    ]
    return header, rows


def _gain(gain: Gain) -> list[str]:
    return [signed(gain.mean), f"{signed(gain.low)} to {signed(gain.high)}"]
