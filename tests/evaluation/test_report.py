"""The report holds the figures, needs nothing from outside, and cannot be steered by what it shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.evaluation import evaluate_request
from shortlist.calibration.error import gap
from shortlist.evaluation import Run, parse_measures, per_query
from shortlist.evaluation.report import html_report, markdown_report
from shortlist.evaluation.report.figures import milliseconds, p_value, plain, short, signed
from shortlist.evaluation.report.markdown import cell
from shortlist.evaluation.report.pareto import frontier
from shortlist.evaluation.report.scores import JudgedScores, concordance, judged_scores, said_by
from shortlist.evaluation.report.svg import Frame, around, element, label, log_ticks, ticks
from shortlist.evaluation.request import Request
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.systems import Answered

from .material import beir_folder


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = beir_folder(tmp_path_factory.mktemp("<b>made & built"))
    systems = ("bm25@5", "lex & <i = bm25@5 > lexical[kind=lexical]")
    return evaluate_request(Request(systems, collection=str(folder), permutations=100), command="a <command> & 'more'")


class Tags(HTMLParser):
    """Collects the tags and attributes of a page, and checks that they close."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_asks_for_nothing_from_outside(evaluation: Evaluation) -> None:
    page = html_report(evaluation)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    names = {name for name, _ in tags.found}
    assert {"svg", "table", "details"} <= names
    assert not names & {"script", "link", "img", "iframe", "object", "i", "form"}
    assert not [a for _, attributes in tags.found for a in attributes if a in {"src", "href"} or a.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("systems", [("bm25@5", "one = bm25@1"), ("one = bm25@1", "bm25@5")])
def test_the_lead_of_the_best_comes_with_its_test_whoever_is_the_baseline(
    systems: tuple[str, str], tmp_path: Path
) -> None:
    request = Request(systems, ("R@5",), collection=str(beir_folder(tmp_path)), permutations=100)
    (headline,) = re.findall('class="headline">(.*?)</p>', html_report(evaluate_request(request)))
    assert re.match(
        r"<b>bm25@5</b> is best in R@5 with [.\d]+: \+[.\d]+ over one, which may be chance \(p = ", headline
    )


def test_hostile_texts_are_shown_and_not_obeyed(evaluation: Evaluation) -> None:
    page = html_report(evaluation)
    assert "&lt;b&gt;made &amp; built" in page
    assert "<script" not in page
    assert "lex &amp; &lt;i" in page
    assert "a &lt;command&gt; &amp; &#x27;more&#x27;" in page
    assert "<script" not in markdown_report(evaluation).replace("\\<script", "")


def test_both_reports_hold_every_systems_figures(evaluation: Evaluation) -> None:
    for text in (html_report(evaluation), markdown_report(evaluation)):
        for system in evaluation.systems:
            for measure in evaluation.measures:
                assert short(system.mean(measure)) in text
        assert evaluation.systems[1].name.split()[0] in text


def test_both_reports_hold_depth_curves_and_what_the_scores_say() -> None:
    doc_ids = tuple(f"d{place}" for place in range(30))
    scores = tuple(3.0 - place / 5 for place in range(30))
    answers = {q: Answered(doc_ids, scores, doc_ids[::-1], (1.0, 9.0)) for q in ("1", "2")}
    qrels = {q: dict.fromkeys(doc_ids[:9], 1) | dict.fromkeys(doc_ids[9:], 0) for q in answers}
    values = per_query(Run("m", dict.fromkeys(answers, doc_ids)), qrels, parse_measures(["nDCG@10"]))
    model = SystemResult("m", "bm25@30 > m", answers, values, {"nDCG@10": (0.9, 1.0)}, {}, "logit")
    provenance = {"command": "", "when": "", "versions": {}, "hardware": HARDWARE}
    about = {"name": "x", "queries": 2, "documents": 30, "judgements": 60, "notes": [], "fingerprint": ""}
    found = Evaluation({}, about, provenance, ("nDCG@10",), (model,), {"nDCG@10": ()}, (), qrels)
    page, text = html_report(found), markdown_report(found)
    assert "``" not in text  # there was no command
    assert "How many candidates to rerank" in page
    assert "## How many candidates to rerank: nDCG@10" in text
    assert "| m | .0000 \\[.0000, .0000\\] |" in text  # the first candidates are not relevant
    assert "the relevant one scores higher in 100% of the pairs" in page
    assert re.search(r"\| m \| logit \| 60 \| 1\.000 \| 0\.\d{3} \|", text)


HARDWARE = {"processor": "", "usable_cores": 1, "instructions": [], "system": "", "load_at_start": 0.0}


def test_a_markdown_table_keeps_its_columns_whatever_a_cell_holds(evaluation: Evaluation) -> None:
    for block in re.findall(r"(?:^\|.*\|\n)+", markdown_report(evaluation), re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1


@given(st.text(max_size=40))
def test_a_cell_is_one_line_without_bare_markup(text: str) -> None:
    made = cell(text)
    assert len(made.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_<>\[\]#]", made)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_lie_inside(low: float, span: float) -> None:
    high = low + span
    made = ticks(low, high)
    assert len(made) <= 8
    assert all(low - span * 1e-6 <= tick <= high + span * 1e-6 for tick in made)


def test_log_ticks_and_ranges() -> None:
    assert log_ticks(0.9, 55) == [1, 2, 5, 10, 20, 50]
    assert log_ticks(0.9, 20_000) == [1, 10, 100, 1000, 10_000]
    low, high = around([0.5, 0.5])
    assert low < 0.5 < high


def test_scales_map_the_ends_to_the_margins() -> None:
    frame = Frame()
    x, y = frame.x(1, 100, logarithmic=True), frame.y(0, 1)
    assert (x(1), x(10), x(100)) == pytest.approx((56, (56 + 542) / 2, 542))
    assert y(0) > y(1)


def test_attributes_and_texts_are_escaped() -> None:
    assert element("g", class_="a", aria_label='"<&') == '<g class="a" aria-label="&quot;&lt;&amp;"/>'
    assert "&lt;b&gt;" in label("<b>", 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=20))
def test_concordance_counts_the_pairs_that_are_parted_rightly(rows: list[tuple[int, bool]]) -> None:
    relevant, others = ([score for score, flag in rows if flag is wanted] for wanted in (True, False))
    if not relevant or not others:
        return
    found = JudgedScores(np.array([float(s) for s, _ in rows]), np.array([flag for _, flag in rows]))
    pairs = [(mine > other) + (mine == other) / 2 for mine in relevant for other in others]
    assert concordance(found) == pytest.approx(sum(pairs) / len(pairs))


def test_a_latency_has_the_digits_that_mean_something() -> None:
    values = [0.123, 9.876, 12.3, 999.4, 1234.5, 98_700.0, 123_456.0, 5300.0]
    assert [milliseconds(v) for v in values] == [
        "0.12 ms",
        "9.88 ms",
        "12 ms",
        "999 ms",
        "1.23 s",
        "98.7 s",
        "123 s",
        "5.30 s",
    ]


def test_numbers_are_written_as_the_field_does() -> None:
    assert [short(0.5058), short(1.0), signed(-0.05), signed(0.0)] == [".5058", "1.0000", "-.0500", "+.0000"]
    assert [signed(10.5), signed(-100.0), signed(-0.30)] == ["+10.5000", "-100.0000", "-.3000"]
    assert [p_value(0.00001), p_value(0.04), p_value(1.0)] == ["< .0001", ".0400", "1.0000"]
    assert [plain(0.5), plain(-0.25), plain(20.0), plain(0.0)] == [".5", "-.25", "20", "0"]


def system(name: str, quality: float, latency_ms: float) -> SystemResult:
    answers = {"q": Answered(("a",), (), ("a",), (latency_ms,))}
    return SystemResult(name, "bm25", answers, {"m": {"q": quality}}, {"m": (0, 1)}, {}, "bm25")


def test_the_frontier_leaves_out_what_is_slower_and_no_better() -> None:
    systems = [system("slow", 0.9, 90), system("fast", 0.5, 1), system("beaten", 0.4, 5), system("even", 0.9, 95)]
    assert [one.name for one in frontier(systems, "m")] == ["fast", "slow"]


def test_unjudged_candidates_are_the_others_only_where_nothing_is_judged_as_not_relevant() -> None:
    answers = {"q": Answered(("a", "b", "c"), (3.0, 2.0, 1.0), ("a", "b", "c"), (1.0,))}
    system = SystemResult("s", "", answers, {}, {}, {}, "logit")
    graded = judged_scores(system, {"q": {"a": 2, "b": 0}})
    assert (graded.scores.tolist(), graded.is_relevant.tolist(), graded.with_unjudged) == (
        [3.0, 2.0],
        [True, False],
        False,
    )
    positive = judged_scores(system, {"q": {"a": 1}})
    assert (positive.is_relevant.tolist(), positive.with_unjudged) == ([True, False, False], True)


def test_equal_probabilities_count_alike_wherever_their_relevant_documents_stand() -> None:
    documents = tuple(f"d{place}" for place in range(100))
    answers = {"q": Answered(documents, (0.3,) * 100, documents, (1.0,))}
    kind = "calibrated probability"
    system = SystemResult("s", "bm25@100 > m", answers, {"AP": {"q": 1.0}}, {}, {}, kind)
    relevance = {"q": {doc_id: int(place < 30) for place, doc_id in enumerate(documents)}}
    said = said_by(Evaluation({}, {}, {}, ("AP",), (system,), {}, relevance=relevance), system)
    assert said is not None
    assert said.is_probability
    assert gap(said.bins) == pytest.approx(0.0, abs=1e-9)
