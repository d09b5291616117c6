"""Served models by themselves: how much they let in, and who has whose turn."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence

import pytest
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import models

from server.fakes import Overlap
from shortlist.build.models import load_model
from shortlist.errors import OverloadedError, ScoreError
from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.protocols import Scorer
from shortlist.scorers.cached import Cached
from shortlist.scorers.licensed import Licensed
from shortlist.scorers.pointwise import Pointwise
from shortlist.server.faults import TooLargeError
from shortlist.server.models.asked import Ask, Cuts
from shortlist.server.models.queued import QueuedModel
from shortlist.server.models.reading import portions, read, reader_of
from shortlist.server.models.whole import WholeModel
from shortlist.server.notes import Notes
from shortlist.types import QUERY_CUT, Deadline, Document, Query, Ranking, Truncation

NOTE = "for research only"
WRAPPED: dict[str, Callable[[Scorer], Scorer]] = {
    "plain": lambda scorer: scorer,
    "cached": Cached,
    "licensed": lambda scorer: Licensed(scorer, NOTE),
    "both": lambda scorer: Licensed(Cached(scorer), NOTE),
}


@pytest.fixture
def scorer() -> Scorer:
    return load_model("shortlist-minilm-l6")


def candidates(*texts: str) -> Ranking:
    return Ranking.in_order(Query("how tall"), [Document(text, str(place)) for place, text in enumerate(texts)])


def ranked_by(scorer: Scorer, *asks: Ask, remembered: int = 0) -> list[Ranking]:
    async def ask() -> list[Ranking]:
        model = QueuedModel(scorer, remembered=remembered)
        found = [await model.rank(one) for one in asks]
        await model.close()
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize("how", WRAPPED)
def test_a_wrapped_scorer_s_pairs_are_counted_by_its_own_tokenizer(scorer: Scorer, how: str) -> None:
    texts = candidates("antidisestablishmentarianism " * 4)  # estimated as 21 tokens
    with pytest.raises(TooLargeError, match=r"the pairs have 3\d tokens together, more than the 25 of a request"):
        ranked_by(WRAPPED[how](scorer), Ask(texts, max_tokens=25))


@pytest.mark.parametrize("how", WRAPPED)
def test_a_wrapped_scorer_reads_what_was_cut_as_asked_and_keeps_it_apart(scorer: Scorer, how: str) -> None:
    texts = candidates("it stands in Paris and is 330 metres tall", "a bridge")
    expected = Pointwise(scorer).rerank(texts)
    cut, whole = ranked_by(WRAPPED[how](scorer), Ask(texts, cuts=Cuts(document_tokens=3)), Ask(texts))
    assert [step.truncations for step in cut.trace.steps if step.truncations] == [(Truncation("0", 3, 9),)]
    assert [one.score for one in whole] == pytest.approx([one.score for one in expected], abs=0.05)
    assert not any(step.truncations for step in whole.trace.steps)
    assert abs(cut[0].score - whole[0].score) > 0.5


@pytest.mark.parametrize("how", ["head", "head+tail", "passages-max", "passages-short", "passages-80"])
@pytest.mark.parametrize("words", [2, 600], ids=["query", "long query"])
def test_pairs_count_the_tokens_that_are_read_of_them(how: str, words: int) -> None:
    scorer = load_model("shortlist-minilm-l6", long_documents=how)
    query, documents = Query("tower " * words), [Document("iron " * count, str(count)) for count in (5, 700)]
    lengths = read(reader_of(scorer), query, documents, Cuts()).lengths
    assert list(lengths) == [scorer.score(query, [one]).step.counts["tokens"] for one in documents]


def test_a_pair_that_is_cut_as_asked_keeps_room_for_its_document_beside_a_long_query(scorer: Scorer) -> None:
    found = read(reader_of(scorer), Query("tower " * 600), [Document("iron " * 600, "d")], Cuts(pair_tokens=512))
    assert list(found.lengths) == [512]


def test_a_request_that_cannot_be_queued_leaves_nothing_behind() -> None:
    async def use() -> None:
        model = QueuedModel(Overlap())
        with pytest.raises(OverflowError):
            await model.rank(Ask(candidates("a", "b"), priority=10**400))
        assert model.load.pairs == 0
        await asyncio.wait_for(model.close(), 10)

    asyncio.run(use())


def test_a_budget_is_used_for_more_than_one_batch() -> None:
    deadline = Deadline.after(8000)  # of which 64,000 tokens are taken at first, by the guess of 10 a millisecond
    texts = candidates(*("tall " * 8000 + str(place) for place in range(20)))

    async def use() -> Ranking:
        model = QueuedModel(Overlap(), batch_tokens=1_000_000)
        ranking = await model.rank(Ask(texts, deadline=deadline))
        await model.close()
        return ranking

    ranking = asyncio.run(use())
    assert next(step.counts for step in ranking.trace.steps if "batches" in step.counts)["batches"] > 1
    assert ranking.unscored == 0


class Slow(Tokenizer):
    """A tokenizer that waits for a turn whenever it reads documents; `began` has the first text of each time."""

    def __init__(self) -> None:
        super().__init__(RawTokenizer(models.WordLevel({"tall": 0, "?": 1}, "?")), fingerprint="slow", pad_id=0)
        self.began: list[str] = []
        self.turns = threading.Semaphore(0)

    def ids_of(self, documents: Sequence[Document]) -> list[Ids]:
        self.began.append(documents[0].text)
        assert self.turns.acquire(timeout=10), "the test gave it no turn"
        return super().ids_of(documents)


class Read(Overlap):
    """Scores what a slow tokenizer reads."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = Slow()

    def room(self, query: Query) -> int:
        return 100

    def tokens_read(self, query: Query, lengths: Sequence[int]) -> list[int]:
        return [4 + min(length, 100) for length in lengths]


MANY = [f"tall {place}" for place in range(200)]


def test_a_budget_is_kept_while_texts_are_read() -> None:
    scorer = Read()

    async def use() -> Ranking:
        model = QueuedModel(scorer)
        asked = model.rank(Ask(candidates(*MANY), top_k=3, deadline=Deadline.after(30)))
        ranking = await asyncio.wait_for(asked, 10)
        assert model.load.pairs == 0
        scorer.tokenizer.turns.release(9)
        await model.close()
        return ranking

    ranking = asyncio.run(use())
    assert (ranking.doc_ids, ranking.unscored) == (("0", "1", "2"), 200)
    assert "budget of 30 ms: 0 of 200 candidates were scored" in ranking.trace.degradations[0]
    assert scorer.tokenizer.began == ["tall 0"]
    assert not scorer.calls


def test_texts_are_read_in_turns_and_those_of_a_client_that_left_no_more() -> None:
    scorer = Read()

    async def use() -> None:
        model = QueuedModel(scorer)
        many = asyncio.create_task(model.rank(Ask(candidates(*MANY), client="a")))
        await until(lambda: scorer.tokenizer.began)
        few = asyncio.create_task(model.rank(Ask(candidates("tall"), client="b")))
        await until(lambda: model.load.pairs == 201)
        scorer.tokenizer.turns.release(2)
        assert len(await asyncio.wait_for(few, 10)) == 1
        await until(lambda: len(scorer.tokenizer.began) == 3)
        many.cancel()
        await asyncio.gather(many, return_exceptions=True)
        assert model.load.pairs == 0
        scorer.tokenizer.turns.release(9)
        await model.close()

    asyncio.run(use())
    assert scorer.tokenizer.began == ["tall 0", "tall", "tall 64"]
    assert scorer.calls == [["tall"]]


@pytest.mark.parametrize(
    ("sizes", "expected"), [((9,) * 130, [64, 64, 2]), ((20_000, 9_000, 9_000, 90_000), [2, 1, 1])]
)
def test_texts_are_read_in_portions_of_so_many_documents_and_characters(
    sizes: tuple[int, ...], expected: list[int]
) -> None:
    documents = [Document("x" * size) for size in sizes]
    found = list(portions(documents))
    assert [len(one) for one in found] == expected
    assert [document for one in found for document in one] == documents


def test_what_is_read_in_portions_is_scored_and_reported_as_a_whole(scorer: Scorer) -> None:
    texts = candidates(*("of iron " * 600 + f"{place} metres" for place in range(9)), "330 metres")
    expected = {one.doc_id: one.score for one in Pointwise(scorer).rerank(texts)}
    whole, cut = ranked_by(scorer, Ask(texts), Ask(texts, cuts=Cuts(document_tokens=400)))
    assert {one.doc_id: one.score for one in whole} == pytest.approx(expected, abs=0.05)
    assert {(one.doc_id, one.seen) for step in cut.trace.steps for one in step.truncations} == {
        (str(place), 400) for place in range(9)
    }


def test_a_model_of_whole_requests_counts_tokens_only_for_a_limit_and_never_on_the_event_loop() -> None:
    class Watched(Document):
        @property
        def full_text(self) -> str:
            readers.append(threading.current_thread())
            return super().full_text

    readers: list[threading.Thread] = []
    model = WholeModel(Pointwise(Overlap()))
    texts = Ranking.in_order(Query("how tall"), [Watched("tall " * 30, "0")])
    readers.clear()
    asyncio.run(model.rank(Ask(texts)))
    assert readers == []
    with pytest.raises(TooLargeError):
        asyncio.run(model.rank(Ask(texts, max_tokens=20)))
    assert readers
    assert threading.main_thread() not in readers


def test_a_model_of_whole_requests_keeps_the_limit_of_tokens_and_says_that_it_cuts_nothing() -> None:
    model = WholeModel(Pointwise(Overlap()))
    texts = candidates("tall " * 30)
    with pytest.raises(TooLargeError, match="more than the 20 of a request"):
        asyncio.run(model.rank(Ask(texts, max_tokens=20)))
    ranking = asyncio.run(model.rank(Ask(texts, cuts=Cuts(document_tokens=3))))
    assert any("not cut as asked" in note for note in ranking.trace.degradations)


SPAN = contextvars.ContextVar("SPAN", default="none")


class Held:
    """A reranker that takes as long as its gate is closed, and knows how many calls it was in at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.began: list[str] = []
        self.ended = 0
        self.most = 0
        self.spans: list[str] = []
        self.fails = False

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        self.began.append(candidates.documents[0].text)
        self.most = max(self.most, len(self.began) - self.ended)
        self.spans.append(SPAN.get())
        assert self.gate.wait(10), "the test forgot to open the gate"
        self.ended += 1
        if self.fails:
            raise ScoreError("too late to matter")
        return candidates.head(top_k)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen within 10 s")


@pytest.mark.parametrize("budget_ms", [None, 30])
def test_a_turn_lasts_until_the_computation_ends_whoever_waits_for_it(budget_ms: float | None) -> None:
    held = Held()
    held.fails = True

    async def use() -> None:
        model = WholeModel(held, waiting=1)
        deadline = None if budget_ms is None else Deadline.after(budget_ms)
        first = asyncio.create_task(model.rank(Ask(candidates("first"), deadline=deadline)))
        await until(lambda: held.began)
        if budget_ms is None:
            first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(model.rank(Ask(candidates("second"))))
        await asyncio.sleep(0.05)
        assert held.began == ["first"]
        assert model.load.pairs == 2
        with pytest.raises(OverloadedError):
            await model.rank(Ask(candidates("third")))
        closing = asyncio.create_task(model.close())
        held.gate.set()
        await asyncio.gather(second, closing, return_exceptions=True)
        assert (held.began, held.most, model.load.pairs) == (["first", "second"], 1, 0)

    asyncio.run(use())


def test_who_leaves_before_his_turn_is_not_computed_for() -> None:
    held = Held()

    async def use() -> None:
        model = WholeModel(held)
        first = asyncio.create_task(model.rank(Ask(candidates("first"))))
        second = asyncio.create_task(model.rank(Ask(candidates("second"))))
        await until(lambda: held.began and model.load.pairs == 2)
        second.cancel()
        held.gate.set()
        assert (await first).doc_ids == ("0",)
        await model.close()
        assert held.began == ["first"]

    asyncio.run(use())


def test_a_server_elsewhere_is_no_longer_waited_for_when_its_client_has_left() -> None:
    class Elsewhere(Held):
        async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
            self.began.append("asked")
            await asyncio.sleep(60)
            raise AssertionError

    elsewhere = Elsewhere()

    async def use() -> None:
        model = WholeModel(elsewhere)
        first = asyncio.create_task(model.rank(Ask(candidates("first"))))
        await until(lambda: elsewhere.began)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until(lambda: model.load.pairs == 0)

    asyncio.run(use())


def test_a_computation_sees_the_context_of_its_request() -> None:
    held = Held()
    held.gate.set()

    async def use() -> None:
        SPAN.set("of the request")
        await WholeModel(held).rank(Ask(candidates("a")))

    asyncio.run(use())
    assert held.spans == ["of the request"]


def test_what_was_cut_and_what_is_empty_is_said_again_when_the_queue_remembers_it(scorer: Scorer) -> None:
    documents = [Document("of iron " * 600, "0"), Document("", "1"), Document("330 metres", "2")]
    asked = Ask(Ranking.in_order(Query("how tall is it? " * 300), documents))
    fresh, again = ranked_by(scorer, asked, asked, remembered=100)
    (cut,), (cut_again,) = ([s.truncations for s in one.trace.steps if s.truncations] for one in (fresh, again))
    assert {one.doc_id for one in cut} == {QUERY_CUT, "0"}
    assert set(cut_again) == set(cut)
    for one in (fresh, again):
        assert any("1 documents are empty" in note for note in one.trace.degradations)


def test_what_is_empty_or_cut_is_counted_over_all_batches_of_a_request_and_what_was_known(scorer: Scorer) -> None:
    def asked(*numbers: int) -> Ask:
        texts = [text for number in numbers for text in ("", f"of iron {number} " * 600)]
        return Ask(candidates(*texts))

    async def ask() -> list[Ranking]:
        model = QueuedModel(scorer, batch_tokens=512, remembered=100)  # a long text fills a batch
        found = [await model.rank(one) for one in (asked(1, 2, 3), asked(1, 2, 3, 4))]
        await model.close()
        return found

    fresh, again = (" | ".join(ranking.trace.degradations) for ranking in asyncio.run(ask()))
    assert "3 documents are empty" in fresh
    assert "4 documents are empty" in again
    assert "3 texts cut (passages-short)" in fresh
    assert "3 more texts were cut" in again
    assert fresh.count("empty") == again.count("empty") == 1


def test_what_a_score_cache_knew_is_counted_and_said_as_what_the_queue_remembers(scorer: Scorer) -> None:
    texts = candidates("a tall tower", "cats")
    first, again = ranked_by(Cached(scorer), Ask(texts), Ask(texts))
    notes = Notes("r-1")
    notes.take(first)
    assert (notes.cached, first.trace.degradations) == (0, ())
    notes.take(again)
    assert (notes.cached, again.trace.degradations) == (2, ("cached: 2 pairs were scored before",))
