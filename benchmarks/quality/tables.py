"""Figures and comparisons as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shortlist.evaluation import PerQuery, mean
from shortlist.evaluation.report.figures import p_value, short, signed
from shortlist.evaluation.significance import Comparison


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column is left-aligned, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def figures(systems: Mapping[str, PerQuery]) -> str:
    """Return each system's mean of each measure."""
    measures = list(next(iter(systems.values())))
    rows = [[name, *(short(mean(values[m])) for m in measures)] for name, values in systems.items()]
    return markdown(["system", *measures], rows)


def across(measure: str, collections: Mapping[str, Mapping[str, PerQuery]]) -> str:
    """Return one measure's means, a row a system and a column a collection; a dash where a system did not run."""
    names = list(dict.fromkeys(name for systems in collections.values() for name in systems))
    rows = [
        [name, *(short(mean(s[name][measure])) if name in s else "-" for s in collections.values())] for name in names
    ]
    return markdown([measure, *collections], rows)


def differences(comparisons: Sequence[Comparison]) -> str:
    """Return each comparison with its interval, wins and p values."""
    header = ["nDCG@10: system - baseline", "difference", "95 % interval", "wins/ties/losses"]
    rows = [
        [
            f"{c.system} - {c.baseline}",
            signed(c.difference),
            f"{signed(c.low)} to {signed(c.high)}",
            f"{c.wins}/{c.ties}/{c.losses}",
            p_value(c.p_randomisation),
            p_value(c.p_t),
            p_value(c.p_holm),
        ]
        for c in comparisons
    ]
    return markdown([*header, "p (randomisation)", "p (paired t)", "p (Holm)"], rows)
