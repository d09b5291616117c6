"""Plans keep the budget that they predict, and more budget never makes them worse."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.build.planning import make_plan, with_assumed
from shortlist.cli.plan import verdict
from shortlist.errors import InputError
from shortlist.planning.contenders import Contender, given_contender, parse_contender
from shortlist.planning.cost import CostModel
from shortlist.planning.plan import (
    Plan,
    Stage,
    Task,
    best,
    best_of_each,
    cuts,
    depths,
    every_plan,
    fitting,
    next_better,
    pareto_front,
)
from shortlist.planning.plot import plot
from shortlist.planning.quality import PROMISING, Estimate, Figure, QualityTable, packaged_table, read_table, table_of

SMALL = Contender("small", CostModel(fixed_ms=2, token_ms=0.005, square_ms=0.00001, p95_ratio=1.2, streams=2))
LARGE = Contender("large", CostModel(fixed_ms=2, token_ms=0.08, square_ms=0.0001, p95_ratio=1.3, streams=2))
FAR = given_contender("llm", {"pairs_per_s": 20, "round_trip_ms": 300, "price_per_query": 0.002})
TABLE = QualityTable(
    "made",
    (
        Figure("", 0, 0.50, source="measured"),
        *(Figure("small", d, v) for d, v in ((5, 0.53), (10, 0.56), (50, 0.60), (100, 0.61))),
        *(Figure("large", d, v) for d, v in ((5, 0.56), (10, 0.62), (50, 0.70), (100, 0.69))),
        *(Figure("large", d, v - 0.02, 0.25) for d, v in ((5, 0.56), (10, 0.62), (50, 0.70), (100, 0.69))),
        *(Figure("large", d, v, after="small") for d, v in ((0, 0.61), (5, 0.64), (10, 0.67), (50, 0.69))),
        Figure("llm", 100, 0.75, source="published"),
    ),
)
TASK = Task(50, 180)
CONTENDERS = st.lists(
    st.builds(
        Contender,
        st.sampled_from(["small", "large", "llm", "without figures"]),
        st.builds(CostModel, st.floats(0, 50), st.floats(0, 5), st.floats(0, 0.1), p95_ratio=st.floats(1, 3)),
        st.sampled_from([0.0, 0.001]),
    ),
    max_size=3,
    unique_by=lambda one: one.name,
)
BUDGET = st.floats(0, 5000)


@settings(max_examples=30)
@given(CONTENDERS, st.integers(1, 120), st.integers(1, 400), BUDGET)
def test_a_plan_never_exceeds_the_budget_that_it_predicts(
    contenders: list[Contender], candidates: int, tokens: int, budget: float
) -> None:
    task, by_name = Task(candidates, tokens), {one.name: one for one in contenders}
    for plan in fitting(every_plan(task, contenders, TABLE), p95_ms=budget):
        again = sum(by_name[s.model].cost.p95_ms([12 + 3 + s.tokens] * s.depth) for s in plan.stages)
        assert plan.p50_ms <= plan.p95_ms == pytest.approx(again)
        assert plan.p95_ms <= budget
        depth_before = candidates
        for stage in plan.stages:
            assert 1 <= stage.depth <= depth_before
            assert 1 <= stage.tokens <= tokens
            depth_before = stage.depth


@settings(max_examples=30)
@given(CONTENDERS, st.integers(1, 120), st.integers(1, 400), BUDGET, BUDGET)
def test_more_budget_never_gives_a_worse_plan(
    contenders: list[Contender], candidates: int, tokens: int, one: float, other: float
) -> None:
    plans = every_plan(Task(candidates, tokens), contenders, TABLE)
    low, high = (best(fitting(plans, p95_ms=budget)).quality for budget in sorted((one, other)))
    if low is not None:
        assert high is not None
        assert high.value >= low.value


@settings(max_examples=30)
@given(CONTENDERS.filter(len), st.integers(2, 120), st.integers(1, 400))
def test_what_a_plan_takes_grows_with_depth(contenders: list[Contender], candidates: int, tokens: int) -> None:
    plans = every_plan(Task(candidates, tokens), contenders, TABLE)
    for name in {one.name for one in contenders}:
        took = [p.p95_ms for p in plans if p.models == (name,) and p.stages[0].tokens == tokens]
        assert len(took) == len(depths(candidates))
        assert all(early <= late * (1 + 1e-9) for early, late in itertools.pairwise(took))


@settings(max_examples=30)
@given(CONTENDERS, st.integers(1, 120))
def test_nothing_is_both_quicker_and_better_than_a_plan_of_the_front(
    contenders: list[Contender], candidates: int
) -> None:
    plans = every_plan(Task(candidates), contenders, TABLE)
    front = pareto_front(plans)
    known = [plan for plan in plans if plan.quality is not None]
    for plan in front:
        assert not any(
            other.p95_ms <= plan.p95_ms and other.quality.value > plan.quality.value  # type: ignore[union-attr]
            for other in known
        )
    assert bool(front) == bool(known)


@given(st.integers(1, 2000))
def test_depths_rise_to_all_candidates(candidates: int) -> None:
    steps = depths(candidates)
    assert list(steps) == sorted(set(steps))
    assert (steps[0], steps[-1]) == (min(2, candidates), candidates)


def test_the_model_of_the_budget_is_chosen_and_the_next_better_named() -> None:
    plans = every_plan(TASK, [SMALL, LARGE], TABLE)
    chosen = best(fitting(plans, p95_ms=150))
    assert chosen.name == "small@50 > large@8"
    assert chosen.quality is not None
    assert chosen.quality.value == pytest.approx(0.660, abs=0.001)
    better = next_better(plans, chosen)
    assert better is not None
    assert better.p95_ms > 150
    top = best(plans)
    assert (top.name, top.quality) == ("large@50", Estimate(0.70, "own", True))
    assert next_better(plans, top) is None
    assert best(fitting(plans, p95_ms=1)).name == "no reranking"
    assert {plan.models for plan in best_of_each(plans)} == {(), ("small",), ("large",), ("small", "large")}


def test_documents_are_cut_only_where_figures_tell_what_that_costs() -> None:
    assert cuts(180) == (32, 64, 128)
    plans = every_plan(TASK, [SMALL, LARGE], TABLE)
    known = {(p.models, p.stages[0].tokens) for p in plans if p.quality is not None and len(p.stages) == 1}
    assert known == {(("small",), 180), (("large",), 180), (("large",), 128), (("large",), 64)}


def test_cascades_go_from_cheap_to_dear_and_cost_what_their_parts_cost() -> None:
    plans = every_plan(TASK, [LARGE, FAR, SMALL], TABLE)
    assert {p.models for p in plans if len(p.stages) > 1} == {
        ("small", "large"),
        ("small", "llm"),
        ("large", "llm"),
        ("small", "large", "llm"),
    }
    three = next(p for p in plans if p.name == "small@50 > large@10 > llm@5")
    parts = [SMALL.cost.p95_ms([195] * 50), LARGE.cost.p95_ms([195] * 10), FAR.cost.p95_ms([195] * 5)]
    assert three.p95_ms == pytest.approx(sum(parts))
    assert three.price_per_thousand == pytest.approx(2)
    assert three.quality is not None
    assert not three.quality.is_exact


def test_without_figures_the_deepest_that_fits_is_taken() -> None:
    unknown = Contender("unknown", CostModel(pair_ms=10))
    plans = every_plan(TASK, [unknown], TABLE)
    assert best(fitting(plans, p95_ms=200)).name == "unknown@20"
    assert pareto_front(plans) == ()
    assert plot(plans, p95_ms=200) == []


def test_expected_quality_is_the_figure_or_between_figures() -> None:
    assert TABLE.expected("large", depth=50) == Estimate(0.70, "own", True)
    assert TABLE.expected("large", depth=1000) == Estimate(0.69, "own", False)
    assert TABLE.expected("large", depth=50, read=0.1) is None
    assert TABLE.expected("another", depth=50) is None
    assert QualityTable("", (Figure("a", 10, 0.5),)).expected("a", depth=9) is None
    between = TABLE.expected("large", depth=20, read=0.5)
    assert between is not None
    assert 0.62 < between.value < 0.70
    shallow, published = TABLE.expected("small", depth=2), TABLE.expected("llm", depth=10)
    assert shallow is not None
    assert published is not None
    assert 0.50 < shallow.value < 0.53
    assert (published.source, published.is_exact) == ("published", False)


def test_one_document_alone_has_no_order_to_change() -> None:
    for after, value in (("", 0.50), ("small", 0.61)):
        alone = TABLE.expected("large", depth=1, after=after)
        assert alone is not None
        assert alone.value == value
    assert make_plan(Task(1), [SMALL, LARGE], p95_ms=1000, table=TABLE).chosen.name == "no reranking"


def test_the_best_of_few_candidates_are_worth_no_more_than_all_of_them() -> None:
    own = [Figure("large", depth, value, after=PROMISING) for depth, value in ((0, 0.60), (5, 0.66), (100, 0.70))]
    few = QualityTable("made", (*TABLE.figures, *own)).of_fewer(10)
    after = few.expected("large", depth=5, after="small")
    assert after is not None
    assert (round(after.value, 4), after.is_exact) == (0.5764, False)  # small keeps 6 / 11 of its gain
    promising = few.of_index().expected("large", depth=5)
    assert promising is not None
    assert (round(promising.value, 4), promising.is_exact) == (0.6011, False)
    for candidates in (100, 1000):
        assert TABLE.of_fewer(candidates) == TABLE


def test_few_candidates_are_not_promised_what_many_gave() -> None:
    models = [given_contender(name, {"pairs_per_s": 100}) for name in ("all-minilm-l6-v2", "shortlist-l6")]
    for is_indexed in (False, True):
        chosen = make_plan(Task(10), models, p95_ms=10_000, is_indexed=is_indexed).chosen
        assert chosen.quality is not None
        assert chosen.quality.value == pytest.approx(0.536, abs=0.005)


@given(st.integers(0, 300), st.sampled_from(["small", "large", "llm"]))
def test_interpolation_stays_between_the_figures(depth: int, model: str) -> None:
    estimate = TABLE.expected(model, depth=depth)
    assert estimate is not None
    assert 0.50 <= estimate.value <= 0.75


def test_the_packaged_figures_can_be_read_and_know_the_packaged_models() -> None:
    table = packaged_table()
    assert table.collection == "trec_dl19"
    first = table.first_stage()
    assert first is not None
    assert first.value == 0.5058
    for model in ("all-minilm-l6-v2", "shortlist-minilm-l6", "shortlist-l6"):
        at_hundred = table.expected(model, depth=100)
        assert at_hundred is not None
        assert at_hundred.is_exact
    assert {figure.source.split(":")[0] for figure in table.figures} == {"measured", "published"}


def test_documents_of_an_index_are_read_the_most_promising_first_by_models_with_figures_for_it() -> None:
    own = [Figure("large", depth, value, after=PROMISING) for depth, value in ((0, 0.58), (5, 0.64), (50, 0.70))]
    table = QualityTable("made", (*TABLE.figures, *own))
    assert table.expected("large", depth=5) == TABLE.expected("large", depth=5)
    of_index = table.of_index()
    assert of_index.expected("large", depth=5) == Estimate(0.64, "own", True)
    assert of_index.expected("large", depth=5, after="small") == TABLE.expected("large", depth=5, after="small")
    assert of_index.expected("small", depth=5) == TABLE.expected("small", depth=5)
    assert of_index.first_stage() == TABLE.first_stage()
    fits = make_plan(TASK, [LARGE], p95_ms=150, table=table, is_indexed=True).chosen
    assert fits.quality is not None
    assert fits.quality.value > 0.64


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is no valid JSON"),
        ('{"points": []}', 'needs "points"'),
        ('{"points": [{"model": "a", "depth": 1}]}', "point 0 cannot be used"),
        ('{"points": [{"model": "a", "depth": 1, "value": 47}]}', "within 0..1"),
        ('{"points": ["a"]}', "point 0 cannot be used"),
    ],
)
def test_figures_that_cannot_be_read_say_why(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        read_table(file)
    with pytest.raises(InputError, match="cannot read"):
        read_table(tmp_path / "none.json")


def test_figures_of_the_user_are_their_own() -> None:
    table = table_of({"points": [{"model": "a", "depth": 10, "value": 0.5, "by_query": {}}]}, "here")
    assert table == QualityTable("here", (Figure("a", 10, 0.5),))


def test_figures_of_a_model_elsewhere_become_its_cost() -> None:
    one = parse_contender("api v3, pairs_per_s=200, round_trip_ms=100, price_per_query=.002, p95_ratio=2")
    assert (one.name, one.price_per_query) == ("api v3", 0.002)
    assert one.cost.p50_ms([100] * 50) == 100 + 50 * 5
    assert one.cost.p95_ms([100] * 50) == 700
    by_token = given_contender("gpu", {"pairs_per_s": 100, "at_tokens": 200})
    assert by_token.cost.p50_ms([400] * 10) == pytest.approx(200)


@pytest.mark.parametrize(
    "text", ["", "a,b", "a", "a,pairs_per_s=x", "a,pairs_per_s=0", "a,pairs_per_s=1,colour=2", "a,pairs_per_s=-1"]
)
def test_figures_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_contender(text)


def test_given_figures_take_the_place_of_a_calibration_of_the_same_name() -> None:
    small = given_contender("small", {"pairs_per_s": 5})
    assert with_assumed([SMALL, LARGE], [small]) == [LARGE, small]
    with pytest.raises(InputError, match="the figures of small are given twice"):
        with_assumed([LARGE], [small, small])


def test_the_plan_says_what_it_does_not_know() -> None:
    advice = make_plan(TASK, [SMALL, Contender("other", CostModel(pair_ms=1))], p95_ms=300, table=TABLE, notes=("n",))
    assert advice.notes == ("n", "no figures for other in made")
    with pytest.raises(InputError, match="run `shortlist calibrate` first"):
        make_plan(TASK, [], p95_ms=100)


def test_the_verdict_is_a_sentence() -> None:
    advice = make_plan(TASK, [SMALL, LARGE], p95_ms=150, table=TABLE)
    assert verdict(advice).startswith("Take large@30[:64]: ")
    assert " The next better is large@35[:64]: " in verdict(advice)
    nothing = make_plan(TASK, [LARGE], p95_ms=1, table=TABLE)
    assert verdict(nothing).startswith("Do not rerank: nothing that fits")


GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("p95_ms", [20, 150, 1000])
def test_the_plans_are_the_golden_ones(p95_ms: int, request: pytest.FixtureRequest) -> None:
    advice = make_plan(TASK, [SMALL, LARGE, FAR], p95_ms=p95_ms, table=TABLE)
    rows = [*advice.choices, *([advice.better] if advice.better else [])]
    lines = [_row(plan) for plan in rows] + plot(rows, p95_ms=p95_ms) + [verdict(advice)]
    file = GOLDEN / f"plan-{p95_ms}.txt"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "\n".join(lines) + "\n" == file.read_text(encoding="utf-8")


def _row(plan: Plan) -> str:
    quality = "?" if plan.quality is None else f"{plan.quality.value:.4f}"
    return f"{plan.name:40} {plan.p50_ms:8.1f} {plan.p95_ms:8.1f} {quality} {plan.price_per_thousand:g}"


def test_the_plot_shows_the_budget_and_every_plan() -> None:
    plans = [Plan((Stage("a", 1, 1),), 9, 10, Estimate(0.2, "", True)), Plan((), 0, 0, Estimate(0.1, "", True))]
    lines = plot(plans, p95_ms=100, width=21, height=3)
    assert lines == [
        " 0.200           a         |",
        "                           |",
        " 0.100 b                   |",
        "       1 ms           100 ms",
    ]


def test_json_can_be_written() -> None:
    from shortlist.cli.plan import plan_json

    advice = make_plan(TASK, [SMALL, FAR], p95_ms=500, table=TABLE)
    content = json.loads(json.dumps(plan_json(advice)))
    assert content["chosen"]["stages"][-1]["model"]
    assert content["next_better"] is None or content["next_better"]["p95_ms"] > 500
