"""A study of answers as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from shortlist.evaluation.answers.study import AnswerStudy
from shortlist.evaluation.outcome import mean
from shortlist.evaluation.provenance import as_markdown
from shortlist.evaluation.report.figures import count, milliseconds, p_value, short, signed
from shortlist.evaluation.report.markdown import Table, cell, table
from shortlist.evaluation.significance import caution


def answers_report(study: AnswerStudy) -> str:
    """Return for each measure the means by number of passages with their intervals, and the tests."""
    parts = [
        f"# Answers on {cell(str(study.collection.get('name', '')))}\n",
        f"{study.collection.get('queries', 0)} questions; seed {study.seed}.\n",
        as_markdown(dict(study.provenance)),
        f"Generator: {cell(study.generator) or 'none; only whether the answer is in the passages'}.\n",
    ]
    if study.judge:
        parts.append(f"Faithfulness: {cell(study.judge)}; over the answers that were given.\n")
    for measure in study.measures:
        parts += [f"## {measure[0].upper()}{measure[1:]}\n", table(*means(study, measure))]
        parts += [table(*tests(study, measure))] if len(study.systems) > 1 else []
    parts += [f"- {cell(note)}" for note in notes(study)]
    return "\n".join(parts).rstrip() + "\n"


def means(study: AnswerStudy, measure: str) -> Table:
    """Return a row a system and a column a number of passages: means with their intervals, a dash for one of none."""
    rows = [[system, *(_mean(study, measure, system, number) for number in study.numbers)] for system in study.systems]
    return ["system", *(f"{number} passages" if number > 1 else "1 passage" for number in study.numbers)], rows


def _mean(study: AnswerStudy, measure: str, system: str, number: int) -> str:
    if not study.values(measure, system, number):
        return "-"
    value, low, high = study.interval(measure, system, number)
    return f"{short(value)} [{short(low)}, {short(high)}]"


def tests(study: AnswerStudy, measure: str) -> Table:
    """Return a row a system and number of passages: the paired difference to the first system."""
    header = ["system vs baseline", "passages", "difference", "95 % interval", "wins / ties / losses", "p", "p (Holm)"]
    rows = [
        [
            f"{c.system} vs {c.baseline}",
            str(number),
            signed(c.difference),
            f"{signed(c.low)} to {signed(c.high)}",
            f"{c.wins}/{c.ties}/{c.losses}",
            p_value(c.p_randomisation),
            p_value(c.p_holm),
        ]
        for number, compared in study.comparisons[measure].items()
        for c in compared
    ]
    return header, rows


def notes(study: AnswerStudy) -> Iterator[str]:
    """Yield what few questions cannot tell, what earlier runs told, and what each number of passages cost."""
    yield from caution(len({reply.query_id for reply in study.replies}))
    if remembered := sum(reply.is_remembered for reply in study.replies):
        yield f"{remembered} of {len(study.replies)} replies are of earlier runs, and so is their latency"
    for number in study.numbers:
        replies = [reply for reply in study.replies if reply.passages == number]
        if study.generator:
            tokens, latency = mean([r.prompt_tokens for r in replies]), mean([r.latency_ms for r in replies])
            yield f"{number} passages: {count(tokens)} prompt tokens, {milliseconds(latency)} a generation on average"
        if cut := sum(reply.left_out > 0 for reply in replies):
            yield f"{number} passages: of {cut} of {len(replies)} prompts the last ones did not fit and were left out"
