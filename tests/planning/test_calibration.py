"""Calibration measures through the protocol, and what it learnt is found again or called stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shortlist.errors import InputError, SettingsError
from shortlist.planning.calibrate import calibrate, probe
from shortlist.planning.cost import CostModel
from shortlist.planning.fitting import FitError
from shortlist.planning.machine import Machine
from shortlist.planning.store import Record, every, find, save
from shortlist.scorers.lexical import Lexical
from shortlist.types import Document, DocumentVector, Query, ScoreKind, Scores, Step, Truncation

TRUE = CostModel(fixed_ms=3, pair_ms=0.4, token_ms=0.2, square_ms=0.0005, p95_ratio=1, streams=2, limit=300)
MACHINE = Machine("a processor", ("avx2",), 2, "Linux x86_64, Python 3.11", {"numpy": "2.0", "onnxruntime": "1.20"})
ERROR = FitError(0.05, 0.1, 0.95, 8, 30)
RECORD = Record("m", "m@1:fp32", "onnxruntime 1", "fp32", 2, MACHINE, TRUE, ERROR, 90, "2026-01-01T00:00:00+00:00")


class Timed:
    """A scorer with a clock of its own, which its cost model moves; a word is a token.

    Documents with vectors take half the time. A `second` model in it reads up to 163 tokens of each pair.
    """

    fingerprint = "timed"

    def __init__(self, *, second: bool = False) -> None:
        self.now_ms = 0.0
        self.shapes: list[tuple[int, ...]] = []
        self._cost = replace(TRUE, second_ms=0.1, second_limit=163) if second else TRUE

    def clock(self) -> float:
        return self.now_ms

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        words = [len(document.text.split()) for document in documents]
        self.shapes.append(tuple(words))
        lengths = [min(13 + count, 300) for count in words]
        self.now_ms += self._cost.p50_ms(lengths) / (2 if documents[0].vector is not None else 1)
        limits = (287,) if self._cost.second_limit is None else (287, 150)
        cut = tuple(
            Truncation(d.doc_id, limit, w)
            for d, w in zip(documents, words, strict=True)
            for limit in limits
            if w > limit
        )
        counts = {"pairs": len(lengths), "tokens": sum(lengths)}
        step = Step("timed", 0, counts, {"streams": "2"}, truncations=cut)
        return Scores(np.zeros(len(documents), np.float32), ScoreKind.LOGIT, step)


def test_calibration_finds_the_costs_streams_and_limit_of_a_scorer() -> None:
    scorer, shares = Timed(), list[float]()
    made = calibrate(scorer, seconds=60, clock=scorer.clock, watch=shares.append)
    cost = made.fit.cost
    assert (cost.streams, cost.limit) == (2, 300)
    for lengths in ([50], [100] * 7, [300] * 50, [20] * 200):
        assert cost.p50_ms(lengths) == pytest.approx(TRUE.p50_ms(lengths), rel=0.02)
    assert made.fit.error.p50 < 0.02
    assert 60 <= made.seconds < 63  # one call may go over
    assert made.calls == len(shares)
    assert made.stored is None
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_documents_of_an_index_have_a_cost_of_their_own() -> None:
    scorer, nothing = Timed(), DocumentVector("e", np.zeros(3, np.float32))
    made = calibrate(scorer, seconds=60, clock=scorer.clock, store=lambda document: replace(document, vector=nothing))
    assert made.stored is not None
    for lengths in ([50], [100] * 7, [300] * 20):
        assert made.fit.cost.p50_ms(lengths) == pytest.approx(TRUE.p50_ms(lengths), rel=0.02)
        assert made.stored.cost.p50_ms(lengths) == pytest.approx(TRUE.p50_ms(lengths) / 2, rel=0.02)


def test_a_second_model_in_a_scorer_is_told_by_its_own_limit() -> None:
    scorer = Timed(second=True)
    cost = calibrate(scorer, seconds=60, clock=scorer.clock).fit.cost
    assert (cost.limit, cost.second_limit) == (300, 150 + 13)
    for lengths in ([50], [100] * 7, [300] * 20):
        expected = TRUE.p50_ms(lengths) + 0.1 * sum(min(length, 163) for length in lengths) / min(2, len(lengths))
        assert cost.p50_ms(lengths) == pytest.approx(expected, rel=0.1)


class Remembering(Timed):
    """Takes 20 ms more for a query other than the last."""

    asked = ""

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        self.now_ms += 0 if query.text == self.asked else 20
        self.asked = query.text
        return super().score(query, documents)


def test_what_a_new_query_takes_is_a_part_of_the_cost() -> None:
    scorer = Remembering()
    for cost in (calibrate(scorer, seconds=60, clock=scorer.clock).fit.cost, probe(scorer, clock=scorer.clock)[0]):
        assert cost.p50_ms([73]) == pytest.approx(TRUE.p50_ms([73]) + 20, rel=0.05)


def test_shapes_that_would_eat_the_time_are_left_out() -> None:
    scorer = Timed()
    calibrate(scorer, seconds=10, clock=scorer.clock)
    assert scorer.now_ms < 12_500


def test_a_slow_model_is_measured_on_the_least_that_tells() -> None:
    scorer = Timed()
    made = calibrate(scorer, seconds=0.02, clock=scorer.clock)
    assert made.calls == 6
    with pytest.raises(InputError, match="needs some seconds"):
        calibrate(scorer, seconds=0)


def test_no_shape_is_left_with_its_first_call_where_only_some_are_affordable() -> None:
    scorer = Timed()
    calibrate(scorer, seconds=1, clock=scorer.clock)  # 15 ms a call: one pair of 24 words, not of 60
    shapes = Counter(scorer.shapes[2:])  # after the warm-up
    calls = sorted(shapes.values())[-6:]
    assert 5 <= calls[0] >= calls[-1] - 1


def test_a_probe_is_roughly_right_after_a_moment() -> None:
    scorer = Timed()
    cost, stored = probe(scorer, clock=scorer.clock)
    assert stored is None
    assert (cost.streams, cost.limit) == (2, 300)
    assert cost.p50_ms([80] * 10) == pytest.approx(TRUE.p50_ms([80] * 10), rel=0.3)
    assert scorer.now_ms < 1000


def test_a_probe_tells_stored_documents_apart() -> None:
    scorer, nothing = Timed(), DocumentVector("e", np.zeros(3, np.float32))
    plain, stored = probe(scorer, clock=scorer.clock, store=lambda document: replace(document, vector=nothing))
    assert stored is not None
    assert stored.p50_ms([80] * 10) == pytest.approx(plain.p50_ms([80] * 10) / 2, rel=0.05)


def test_any_scorer_can_be_calibrated_in_real_time() -> None:
    made = calibrate(Lexical(), seconds=0.5)
    assert made.fit.cost.p50_ms([60] * 10) > 0
    assert made.fit.cost.p95_ratio >= 1


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    other = replace(RECORD, threads=4, stored=CostModel(fixed_ms=1))
    file = save(tmp_path / "new", RECORD)
    save(tmp_path / "new", other)
    assert find(tmp_path / "new", fingerprint="m@1:fp32", threads=2) == RECORD
    assert find(tmp_path / "new", fingerprint="m@2:fp32", threads=2) is None
    assert every(tmp_path / "new") == (RECORD, other)
    assert save(tmp_path / "new", replace(RECORD, calls=7)) == file
    assert len(every(tmp_path / "new")) == 2
    assert every(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 2, "model": "m"}', "\ufeff"])
def test_a_record_that_cannot_be_read_says_what_to_do(tmp_path: Path, content: str) -> None:
    save(tmp_path, RECORD).write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="delete it and run `shortlist calibrate` again"):
        every(tmp_path)


def test_every_change_of_the_machine_is_named() -> None:
    assert RECORD.staleness(MACHINE) == ()
    now = Machine("another", ("avx2", "amx_bf16"), 2, MACHINE.system, {"numpy": "2.1", "openvino": "2026.4"})
    assert RECORD.staleness(now) == (
        "processor: a processor then, another now",
        "instruction sets: avx2 then, avx2 amx_bf16 now",
        "numpy: 2.0 then, 2.1 now",
        "onnxruntime: 1.20 then, absent now",
        "openvino: absent then, 2026.4 now",
    )


def test_this_machine_does_not_change_between_two_looks() -> None:
    here = Machine.here()
    assert here.changes(Machine.here()) == ()
    assert here.processor
    assert here.cores >= 1
    assert "numpy" in here.versions
