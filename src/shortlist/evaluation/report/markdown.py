"""An evaluation as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shortlist.calibration.error import gap
from shortlist.evaluation.provenance import as_markdown
from shortlist.evaluation.report.depths import curves_of
from shortlist.evaluation.report.figures import count, milliseconds, p_value, short, signed
from shortlist.evaluation.report.scores import concordance, said_by
from shortlist.evaluation.results import Evaluation, Moved, Passage
from shortlist.evaluation.significance import Comparison


def markdown_report(evaluation: Evaluation) -> str:
    """Return figures, comparisons, ceilings, notes and the queries that moved most."""
    about = evaluation.collection
    parts = [
        f"# Evaluation on {cell(about['name'])}\n",
        f"{about['queries']} queries, {about['documents']} documents, {about['judgements']} judgements;"
        f" seed {evaluation.seed}.\n",
        as_markdown(evaluation.provenance),
        "## Figures\n",
        table(*figures(evaluation)),
        f"95 % bootstrap intervals in brackets. {COLUMNS}\n",
        "## Ceiling of the first stage\n",
        "What the best possible order of each system's candidates would reach.\n",
        table(*ceilings(evaluation)),
    ]
    for measure, comparisons in evaluation.comparisons.items():
        if comparisons:
            parts += [f"## Differences in {measure}\n", table(*comparison_rows(comparisons)), _HOW]
    parts += [*_depths(evaluation), *_scores(evaluation)]
    parts += [f"- {cell(line)}" for line in all_notes(evaluation)]
    parts += _moved(evaluation)
    return "\n".join(parts).rstrip() + "\n"


COLUMNS = (
    "P50 and P95 are latencies of a whole query; pairs and tokens are what the rerankers read for one, on average;"
    " the cost, where a price was named, is that of 1000 queries in the price's unit."
)
_HOW = "Two-sided paired randomisation test, corrected by Holm over this table; beside it the paired t-test.\n"

Table = tuple[list[str], list[list[str]]]


def figures(evaluation: Evaluation) -> Table:
    """Return the header and rows of the main table; the cost column is there if anything has a price.

    A system without a price has a dash there: what it costs was not said.
    """
    has_prices = any(system.cost_of_1000 for system in evaluation.systems)
    header = [
        "system",
        *evaluation.measures,
        "P50",
        "P95",
        "pairs",
        "tokens",
        *(["cost of 1000"] if has_prices else []),
    ]
    rows = []
    for system in evaluation.systems:
        values = [
            f"{short(system.mean(m))} [{', '.join(map(short, system.intervals[m]))}]" for m in evaluation.measures
        ]
        latencies = [milliseconds(system.latency_ms(percent)) for percent in (50, 95)]
        cost = [f"{system.cost_of_1000:.4g}" if system.cost_of_1000 else "-"] if has_prices else []
        rows.append([system.name, *values, *latencies, count(system.pairs), count(system.tokens), *cost])
    return header, rows


def ceilings(evaluation: Evaluation) -> Table:
    """Return the header and rows of each system's ceiling; a dash where another depth was retrieved."""
    measures = list(dict.fromkeys(name for system in evaluation.systems for name in system.ceiling))
    rows = [[s.name, *(short(s.ceiling[m]) if m in s.ceiling else "-" for m in measures)] for s in evaluation.systems]
    return ["system", *measures], rows


def comparison_rows(comparisons: Sequence[Comparison]) -> Table:
    """Return the header and rows of comparisons."""
    header = [
        "system vs baseline",
        "difference",
        "95 % interval",
        "effect d",
        "wins / ties / losses",
        "p",
        "p (t)",
        "p (Holm)",
    ]
    rows = [
        [
            f"{c.system} vs {c.baseline}",
            signed(c.difference),
            f"{signed(c.low)} to {signed(c.high)}",
            f"{c.effect:+.2f}",
            f"{c.wins}/{c.ties}/{c.losses}",
            p_value(c.p_randomisation),
            p_value(c.p_t),
            p_value(c.p_holm),
        ]
        for c in comparisons
    ]
    return header, rows


def all_notes(evaluation: Evaluation) -> Iterator[str]:
    """Yield the collection's notes and every system's."""
    yield from evaluation.collection["notes"]
    for system in evaluation.systems:
        for note in system.notes:
            yield f"{system.name}: {note}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is left-aligned, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *([cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return text that Markdown shows as it is: nothing in it is markup, and it stays on one line."""
    plain = " ".join(text.split()).replace("\\", "\\\\")
    for letter in "|`*_<>[]#":
        plain = plain.replace(letter, f"\\{letter}")
    return plain


def _depths(evaluation: Evaluation) -> Iterator[str]:
    if not (curves := curves_of(evaluation)):
        return
    depths = sorted({point.depth for curve in curves.values() for point in curve})
    rows = []
    for place, curve in curves.items():
        shown = {p.depth: f"{short(p.mean)} [{short(p.low)}, {short(p.high)}]" for p in curve}
        rows.append([evaluation.systems[place].name, *(shown.get(depth, "-") for depth in depths)])
    yield f"## How many candidates to rerank: {cell(evaluation.measures[0])}\n"
    yield table(["system", *map(str, depths)], rows)


def _scores(evaluation: Evaluation) -> Iterator[str]:
    found = [(system, said_by(evaluation, system)) for system in evaluation.systems]
    rows = [
        [
            system.name,
            system.score_kind,
            str(len(said.judged.scores)),
            f"{concordance(said.judged):.3f}",
            f"{gap(said.bins):.3f}" if said.is_probability else "claims no probability",
        ]
        for system, said in found
        if said is not None
    ]
    if rows:
        yield "## What the scores say\n"
        yield table(["system", "score", "candidates", "pairs parted rightly", "calibration error"], rows)


def _moved(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.moved:
        yield f"\n## Queries that moved most in {evaluation.measures[0]}\n"
    for one in evaluation.moved:
        yield f"### {signed(one.difference)}: {cell(one.query)}\n"
        yield f"Query {cell(one.query_id)}, {cell(one.system)} against {cell(one.baseline)}.\n"
        yield _side_by_side(one)


def _side_by_side(one: Moved) -> str:
    length = max(len(one.passages), len(one.baseline_passages))
    pairs = zip(_padded(one.passages, length), _padded(one.baseline_passages, length), strict=True)
    rows = [[str(rank), left, right] for rank, (left, right) in enumerate(pairs, 1)]
    return table(["rank", cell(one.system), cell(one.baseline)], rows)


def _padded(passages: Sequence[Passage], length: int) -> list[str]:
    shown = [f"({'?' if p.relevance is None else p.relevance}) {p.doc_id}: {p.text[:120]}" for p in passages]
    return shown + [""] * (length - len(shown))
