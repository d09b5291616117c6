"""Keys, quotas, settings, explanations: the small parts of the server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fakes import FakeClock, Overlap
from shortlist.errors import InputError, ModelError, OverloadedError, SettingsError
from shortlist.server.bodies import MOST_LEVELS, made_of, parsed
from shortlist.server.faults import RefusedError
from shortlist.server.keys import Key, find_key, new_key, read_keys
from shortlist.server.metrics import Metrics
from shortlist.server.models.asked import Ask, Load, Served
from shortlist.server.models.pool import RETRY_MS, ModelPool
from shortlist.server.models.queued import QueuedModel
from shortlist.server.published import shown_scores
from shortlist.server.quota import Quotas
from shortlist.server.run import Again
from shortlist.server.scheduling.work import pair_key
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.settings import Settings
from shortlist.types import Document, Query, Ranking, ScoreKind, TokenIds


def test_a_key_is_found_among_several_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    made = [new_key(name) for name in ("a", "b")]
    file = tmp_path / "keys"
    file.write_text("\n".join(line for _, line in made))
    keys = read_keys(file, concurrent=3)
    assert [find_key(keys, key).name for key, _ in made] == ["a", "b"]  # type: ignore[union-attr]
    assert find_key(keys, made[0][0] + "x") is None
    assert keys[0].concurrent == 3


@pytest.mark.parametrize("line", ["a", "a sha256:12", f"a sha256:{'0' * 64} speed=3", ""])
def test_a_bad_keys_file_names_the_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text(line)
    with pytest.raises(SettingsError, match="keys"):
        read_keys(file)


def test_a_key_is_limited_in_rate_and_in_requests_at_once() -> None:
    clock = FakeClock()
    quotas = Quotas(clock)
    key = Key("k", "", requests_per_s=2, concurrent=1)
    with quotas.using(key), pytest.raises(OverloadedError, match="1 requests running"), quotas.using(key):
        pass
    with quotas.using(key):
        pass
    with pytest.raises(OverloadedError) as refused, quotas.using(key):
        pass
    assert refused.value.retry_after_ms == 500
    clock.ms = 600
    with quotas.using(key):
        pass


def test_a_key_that_had_no_limit_owes_nothing_when_it_gets_one() -> None:
    quotas = Quotas(FakeClock())
    for _ in range(50):
        with quotas.using(Key("k", "")):
            pass
    with quotas.using(Key("k", "", requests_per_s=2)):
        pass


def test_readings_of_one_text_that_were_cut_elsewhere_are_other_pairs() -> None:
    def read(*ids: int) -> bytes:
        document = Document("one two three", tokens=TokenIds("t", np.array(ids, np.int32)))
        return pair_key(Query("q"), document)

    assert read(1, 2) != read(2, 3)
    assert read(1, 2) == read(1, 2) != pair_key(Query("q"), Document("one two three"))


def test_settings_come_from_a_table_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text('depth = 20\n[serve]\nport = 9000\nmodels = ["a"]\naliases = {x = "a"}\nmax_wait_ms = 5\n')
    serve = ServeSettings.load(file=file, environ={"SHORTLIST_SERVE_PORT": "9001", "SHORTLIST_SERVE_TELEMETRY": "true"})
    assert (serve.port, serve.models, serve.aliases, serve.max_wait_ms) == (9001, ("a",), {"x": "a"}, 5.0)
    assert serve.telemetry
    assert Settings.load(file=file).depth == 20


def test_files_and_bodies_may_begin_with_the_mark_of_utf_8(tmp_path: Path) -> None:
    file, keys = tmp_path / "shortlist.toml", tmp_path / "keys"
    file.write_text("[serve]\nport = 9000\n", encoding="utf-8-sig")
    keys.write_text(f"a sha256:{'0' * 64}\n", encoding="utf-8-sig")
    assert ServeSettings.load(file=file).port == 9000
    assert [key.name for key in read_keys(keys)] == ["a"]
    assert parsed('{"query": "ü"}'.encode("utf-8-sig")) == {"query": "ü"}


@pytest.mark.parametrize("level", ["[%s]", '{"a": 1, "b": %s}'])
def test_a_body_is_nested_no_deeper_than_can_be_written_back(level: str) -> None:
    body = "1"
    for _ in range(MOST_LEVELS):
        body = level % body
    assert parsed(body.encode())
    for deeper in (level % body, "[" * 1000 + body + "]" * 1000, "[" * 100_000):
        with pytest.raises(RefusedError, match=f"deeper than {MOST_LEVELS} levels"):
            parsed(deeper.encode())


def test_variables_that_are_no_settings_are_known() -> None:
    environ = {"SHORTLIST_SERVE_PORT": "1", "SHORTLIST_SERVE_KEYS": "file", "SHORTLIST_DEPTH": "3", "HOME": "/"}
    assert ServeSettings.unread(environ) == ["SHORTLIST_SERVE_KEYS"]


def test_a_dialect_can_be_free_of_a_limit_of_all(tmp_path: Path) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text("[serve]\nmax_tokens = 1000\n[serve.limits.voyage]\nmax_tokens = 0\n")
    settings = ServeSettings.load(file=file)
    assert (settings.of("voyage").max_tokens, settings.of("jina").max_tokens) == (0, 1000)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[serve]\nport = 70000", "port"),
        ("[serve]\nport = -1", "port"),
        ("[serve]\nlog_format = 'xml'", "log_format"),
        ("[serve]\nheader_timeout_s = 0", "header_timeout_s must be a number from 0.1, got 0"),
        ("[serve]\nbody_timeout_s = 0", "body_timeout_s"),
        ("[serve]\ncors_origins = ['*']", "name each, as in https://app.example.com"),
        ("[serve]\ncors_origins = ['https://app.example.com/']", "cors_origins"),
        ("[serve]\nnothing = 1", "nothing"),
        ("[serve]\naliases = 'a'", "aliases"),
        ("[serve]\nlimits = 3", "limits"),
        ("[serve]\nmax_query_characters = 0", "max_query_characters must be a whole number from 1"),
        ("[serve]\nmax_document_characters = 0", "max_document_characters"),
        ("[serve]\nmax_characters = 0", "max_characters"),
        ("[serve.limits.voyage]\nmax_document_characters = 0", "limits.voyage.max_document_characters"),
        ("[serve.limits.voyage]\nmax_documents = 0", "limits.voyage.max_documents"),
        ("[serve.limits.voyage]\nmax_pages = 1", "limits.voyage.max_pages: no such limit; known are max_body_bytes"),
        ("[serve.limits.voyagr]\nmax_tokens = 1", "limits.voyagr: no such dialect; known are"),
        ("[serve.limits.pinecone]\nmax_tokens = 1", "limits.pinecone: no such dialect; known are"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, table: str, message: str) -> None:
    file = tmp_path / "shortlist.toml"
    file.write_text(f"{table}\n")
    with pytest.raises(SettingsError, match=message):
        ServeSettings.load(file=file)


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_is_known(host: str, is_loopback: bool) -> None:
    assert ServeSettings(host=host).is_loopback is is_loopback


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1), st.sampled_from(ScoreKind))
def test_published_scores_are_within_0_and_1_and_never_rise(values: list[float], kind: ScoreKind) -> None:
    documents = [Document("d", str(place)) for place in range(len(values))]
    ranking = Ranking.from_scores(Query("q"), documents, values, kind=kind, stage="s")
    shown = shown_scores(ranking, is_raw=False)
    assert all(0 <= score <= 1 for score in shown)
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize("is_raw", [True, False])
def test_published_scores_are_all_the_lowest_when_nothing_was_scored(is_raw: bool) -> None:
    given = Ranking.in_order(Query("q"), [Document("d", str(place)) for place in range(3)])
    unscored = given.partly_reordered((), kind=given.score_kind, stage=given.stage)
    assert shown_scores(unscored, is_raw=is_raw) == [0.0] * 3


def pool_with(loads: list[str], **options: object) -> ModelPool:
    async def load(name: str) -> Served:
        loads.append(name)
        if name == "broken":
            raise ModelError("damaged")
        return QueuedModel(Overlap())

    return ModelPool(["a", "b", "broken"], load, **options)  # type: ignore[arg-type]


async def leased(pool: ModelPool, name: str) -> Served:
    async with pool.lease(name) as model:
        return model


def test_models_are_loaded_at_first_use_and_put_away_when_memory_is_short() -> None:
    loads: list[str] = []
    sizes = iter(range(0, 1000, 10))

    async def use() -> None:
        pool = pool_with(loads, memory_bytes=15, resident=lambda: next(sizes))
        assert pool.loaded("a") is None
        async with pool.lease("a") as model:
            assert pool.loaded("a") is model
            async with pool.lease("b"):
                assert pool.loaded("a") is model, "a model in use stays"
        async with pool.lease("b"):
            pass
        await pool.reload("b")
        await pool.close()
        assert pool.loaded("b") is None

    asyncio.run(use())
    assert loads == ["a", "b", "b"]


def test_what_a_model_that_was_put_away_had_to_do_is_not_told_for_ever() -> None:
    metrics = Metrics()
    metrics.loads = lambda: {"a": Load(7, 700, 1000.0)}
    assert b'shortlist_queue_pairs{model="a"} 7.0' in metrics.text()
    metrics.loads = dict
    assert b'{model="a"}' not in metrics.text()


def test_every_use_of_a_model_is_announced_while_it_is_in_memory() -> None:
    loads: list[str] = []
    told: list[tuple[str, bool]] = []

    async def use() -> None:
        pool = pool_with(loads)

        async def announce(name: str) -> None:
            told.append((name, pool.loaded(name) is not None))

        pool.announce = announce
        with pytest.raises(ModelError):
            async with pool.lease("broken"):
                pass
        async with pool.lease("a") as model:
            pool.put_away("a")
            assert pool.loaded("a") is None
            assert len(await model.rank(Ask(Ranking.in_order(Query("q"), [Document("d", "1")])))) == 1
        async with pool.lease("a") as again:
            assert again is not model
        pool.put_away("b")  # was never loaded
        await pool.close()

    asyncio.run(use())
    assert loads == ["broken", "a", "a"]
    assert told == [("a", True), ("a", True)]


def test_a_broken_model_is_not_loaded_again_and_again() -> None:
    loads: list[str] = []
    clock = FakeClock()

    async def use() -> None:
        pool = pool_with(loads, clock=clock)
        for _ in range(3):
            with pytest.raises(ModelError, match="damaged"):
                async with pool.lease("broken"):
                    pass
        clock.ms += RETRY_MS
        with pytest.raises(ModelError, match="damaged"):
            async with pool.lease("broken"):
                pass

    asyncio.run(use())
    assert loads == ["broken", "broken"]


@pytest.mark.parametrize("why", [InputError("no address"), OSError("no address")], ids=["settings", "system"])
def test_a_model_that_cannot_be_loaded_is_no_mistake_of_whoever_asks(why: Exception) -> None:
    async def load(name: str) -> Served:
        raise why

    async def use() -> None:
        pool = ModelPool(["a"], load)
        told = [await _failure(pool) for _ in range(3)]
        assert [str(error) for error in told] == ["a cannot be loaded: no address"] * 3
        assert len({id(error) for error in told}) == 3, "one that is raised again and again has ever longer a traceback"

    asyncio.run(use())


async def _failure(pool: ModelPool) -> ModelError:
    with pytest.raises(ModelError) as failed:
        await leased(pool, "a")
    return failed.value


def test_a_reload_that_fails_leaves_the_model_that_was_there() -> None:
    healthy = [True]

    async def load(name: str) -> Served:
        if not healthy[0]:
            raise ModelError("damaged")
        return QueuedModel(Overlap())

    async def use() -> None:
        pool = ModelPool(["a"], load)
        async with pool.lease("a") as model:
            pass
        healthy[0] = False
        with pytest.raises(ModelError):
            await pool.reload("a")
        async with pool.lease("a") as still:
            assert still is model
        await pool.close()

    asyncio.run(use())


def test_a_model_that_is_being_loaded_again_answers_meanwhile() -> None:
    async def use() -> None:
        may_load = asyncio.Event()
        may_load.set()

        async def load(name: str) -> Served:
            await may_load.wait()
            return QueuedModel(Overlap())

        pool = ModelPool(["a"], load)
        old = await leased(pool, "a")
        may_load.clear()
        again = asyncio.create_task(pool.reload("a"))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(leased(pool, "a"), 10) is old
        may_load.set()
        await again
        assert await leased(pool, "a") is not old
        await pool.close()

    asyncio.run(use())


def test_to_read_again_is_not_lost_when_it_is_asked_for_while_models_are_loaded(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(new_key("old")[1], encoding="utf-8")
    loads: list[str] = []

    async def use() -> None:
        may_load = asyncio.Event()
        may_load.set()

        async def load(name: str) -> Served:
            loads.append(name)
            await may_load.wait()
            return QueuedModel(Overlap())

        state = State(ServeSettings(keys_file=str(file)), ModelPool(["a"], load), Metrics())
        again = Again(state)
        await leased(state.pool, "a")
        may_load.clear()
        again()
        await asyncio.sleep(0)
        assert [key.name for key in state.keys] == ["old"]
        file.write_text(new_key("new")[1], encoding="utf-8")
        again()
        again()
        assert [key.name for key in state.keys] == ["new"]
        may_load.set()
        assert again.running is not None
        await asyncio.wait_for(again.running, 10)
        assert loads == ["a"] * 3, "at first, when it was asked for, and once more"
        await state.pool.close()

    asyncio.run(use())


def test_who_does_not_wait_for_a_model_stops_no_loading() -> None:
    loads: list[str] = []

    async def use() -> None:
        may_load = asyncio.Event()

        async def load(name: str) -> Served:
            loads.append(name)
            await may_load.wait()
            return QueuedModel(Overlap())

        pool = ModelPool(["a"], load)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(leased(pool, "a"), 0.01)
        may_load.set()
        await leased(pool, "a")
        await pool.close()

    asyncio.run(use())
    assert loads == ["a"]


def test_an_alias_must_stand_for_a_served_model() -> None:
    with pytest.raises(InputError, match="not served"):
        ModelPool(["a"], pool_with([])._load, aliases={"x": "y"})


def test_a_large_body_is_read_beside_the_event_loop() -> None:
    async def use() -> None:
        here = threading.get_ident()
        assert await made_of(b" " * 1000, lambda content: threading.get_ident()) == here
        assert await made_of(b" " * 1_000_000, lambda content: threading.get_ident()) != here

    asyncio.run(use())
