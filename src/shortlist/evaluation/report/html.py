"""An evaluation as one HTML page that needs nothing else: no script, no font, no picture from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from shortlist.calibration.error import gap
from shortlist.evaluation.provenance import made_on
from shortlist.evaluation.report.depths import curves_of, depth_curves
from shortlist.evaluation.report.differences import differences
from shortlist.evaluation.report.figures import p_value, short, signed
from shortlist.evaluation.report.markdown import COLUMNS, all_notes, ceilings, comparison_rows, figures
from shortlist.evaluation.report.pareto import pareto
from shortlist.evaluation.report.passages import moved_queries
from shortlist.evaluation.report.scores import (
    Said,
    concordance,
    distribution,
    reliability_plot,
    said_by,
)
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.significance import Comparison


def html_report(evaluation: Evaluation) -> str:
    """Return the page; every text from outside is escaped, and a policy in the page forbids scripts and requests."""
    name = escape(str(evaluation.collection["name"]))
    style = files("shortlist.evaluation.report").joinpath("page.css").read_text(encoding="utf-8")
    parts = [
        _head(evaluation, name),
        _quality(evaluation),
        *_comparisons(evaluation),
        *_depths(evaluation),
        *_scores(evaluation),
        *moved_queries(evaluation),
        _origin(evaluation),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{name}: evaluation</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _head(evaluation: Evaluation, name: str) -> str:
    about = evaluation.collection
    return (
        f'<p class="small">shortlist evaluate</p><h1>{name}</h1>'
        f'<p class="lead">{about["queries"]} queries, {about["documents"]:,} documents,'
        f" {about['judgements']:,} judgements</p>"
        f'<p class="headline">{_headline(evaluation)}</p>'
    )


def _headline(evaluation: Evaluation) -> str:
    """Say in a sentence which system is best in the first measure, and whether its lead could be chance.

    The lead is that over the baseline, or of the baseline over the next best.
    """
    measure = evaluation.measures[0]
    baseline, *others = evaluation.systems
    best = max(evaluation.systems, key=lambda system: system.mean(measure))
    said = f"<b>{escape(best.name)}</b> is best in {escape(measure)} with {short(best.mean(measure))}"
    rival = baseline if best is not baseline else max(others, key=lambda one: one.mean(measure), default=baseline)
    both = {best.name, rival.name}
    test = next((c for c in evaluation.comparisons[measure] if {c.system, c.baseline} == both), None)
    if test is None:
        return f"{said}."
    verdict = "beyond chance" if test.p_holm < 0.05 else "which may be chance"
    gain = f"{signed(best.mean(measure) - rival.mean(measure))} over {escape(rival.name)}"
    return f"{said}: {gain}, {verdict} (p {_p(test)} after Holm's correction)."


def _p(test: Comparison) -> str:
    shown = p_value(test.p_holm)
    return escape(shown if shown.startswith("<") else f"= {shown}")


def _quality(evaluation: Evaluation) -> str:
    measure = evaluation.measures[0]
    plot = _figure(
        pareto(evaluation.systems, measure),
        "Whiskers are 95 % bootstrap intervals of the mean. On the dashed line no other system is better and faster.",
        key=_keys(evaluation.systems, range(len(evaluation.systems))),
    )
    header, rows = figures(evaluation)
    best = {m: max(system.mean(m) for system in evaluation.systems) for m in evaluation.measures}
    body = []
    for place, (system, row) in enumerate(zip(evaluation.systems, rows, strict=True)):
        cells = [f"<td>{_key(place)}{escape(system.name)}</td>"]
        for name in evaluation.measures:
            low, high = system.intervals[name]
            marked = ' class="best"' if system.mean(name) == best[name] else ""
            interval = f'<span class="interval">{short(low)} to {short(high)}</span>'
            cells.append(f"<td{marked}>{short(system.mean(name))}{interval}</td>")
        cells += [f"<td>{escape(text)}</td>" for text in row[1 + len(evaluation.measures) :]]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f"<h2>Quality and latency</h2>{plot}{_table_of(header, body)}"
        f'<p class="small">{COLUMNS}</p>'
        "<h3>Ceiling of the first stage</h3>"
        '<p class="small">What each system would reach if its candidates stood in the best possible order.'
        f" Relevant documents are never put into the candidates.</p>{_table(*ceilings(evaluation))}"
    )


def _comparisons(evaluation: Evaluation) -> Iterator[str]:
    for place, (measure, comparisons) in enumerate(evaluation.comparisons.items()):
        if not comparisons:
            continue
        rows = _table(*comparison_rows(comparisons))
        how = (
            '<p class="small">p: two-sided paired randomisation test; p (t): paired t-test; p (Holm): the first,'
            " corrected over this table. Effect d is in standard deviations of the differences.</p>"
        )
        if place:
            yield f"<details><summary>Differences in {escape(measure)}</summary>{rows}{how}</details>"
            continue
        yield f"<h2>Differences in {escape(measure)}</h2>{rows}{how}"
        by_name = {system.name: system.values[measure] for system in evaluation.systems}
        shown = [one for one in comparisons if one.baseline == evaluation.systems[0].name]
        reach = max(
            abs(value - by_name[one.baseline][query_id])
            for one in shown
            for query_id, value in by_name[one.system].items()
        )
        plots = [
            _figure(
                differences(by_name[one.system], by_name[one.baseline], measure, reach=reach),
                f"{one.system} against {one.baseline}: {one.wins} won, {one.ties} tied, {one.losses} lost",
            )
            for one in shown
        ]
        yield f'<div class="pair">{"".join(plots)}</div>'


def _depths(evaluation: Evaluation) -> Iterator[str]:
    if curves := curves_of(evaluation):
        plot = depth_curves(curves, [system.name for system in evaluation.systems], evaluation.measures[0])
        figure = _figure(plot, "Bands are 95 % bootstrap intervals.", key=_keys(evaluation.systems, curves))
        yield f"<h2>How many candidates to rerank</h2>{figure}"


def _scores(evaluation: Evaluation) -> Iterator[str]:
    parts = [
        _score_plots(system, said, place)
        for place, system in enumerate(evaluation.systems)
        if (said := said_by(evaluation, system)) is not None
    ]
    if parts:
        yield "<h2>What the scores say</h2>" + "".join(parts)


def _score_plots(system: SystemResult, said: Said, place: int) -> str:
    judged = said.judged
    if said.is_probability:
        word = f"Expected calibration error {gap(said.bins):.3f}: the distance from the dashed diagonal."
    else:
        word = f"A {system.score_kind} claims no probability; the more it rises to the right, the better it parts."
    relevant = int(judged.is_relevant.sum())
    counted = "candidates, unjudged ones as not relevant" if judged.with_unjudged else "judged candidates"
    few = (
        f"{len(judged.scores):,} {counted}; {relevant:,} are relevant (grade {said.lowest} or more). Of a relevant and"
        f" another one, of whatever query, the relevant one scores higher in {concordance(judged):.0%} of the pairs."
    )
    plots = _figure(distribution(judged), few) + _figure(
        reliability_plot(said.bins, is_probability=said.is_probability, place=place), word
    )
    return f'<h3>{_key(place)}{escape(system.name)}</h3><div class="pair">{plots}</div>'


def _origin(evaluation: Evaluation) -> str:
    run = evaluation.provenance
    facts = [
        f"{run['when']}; seed {evaluation.seed}; collection {evaluation.collection['fingerprint']}",
        *made_on(run),
        *(f"{system.name}: {' | '.join(system.models)}" for system in evaluation.systems if system.models),
        *all_notes(evaluation),
    ]
    items = "".join(f"<li>{escape(str(fact))}</li>" for fact in facts)
    command = f"<p><code>{escape(run['command'])}</code></p>" if run["command"] else ""
    return f'<h2>How it was measured</h2>{command}<ul class="notes">{items}</ul>'


def _figure(picture: str, caption: str, *, key: str = "") -> str:
    return f'<figure class="card">{key}{picture}<figcaption>{escape(caption)}</figcaption></figure>'


def _keys(systems: Sequence[SystemResult], places: Iterable[int]) -> str:
    entries = "".join(f"<span>{_key(place)}{escape(systems[place].name)}</span>" for place in places)
    return f'<div class="keys">{entries}</div>'


def _key(place: int) -> str:
    return f'<span class="key s{place % 8}">{place + 1}</span>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return _table_of(header, ["<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows])


def _table_of(header: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    return f'<div class="card scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
