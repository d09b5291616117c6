"""When a request is sent again, and what an HTTP status means: tables and properties of pure functions."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forked import in_a_fork
from shortlist.errors import AuthenticationError, InputError, RemoteError, SettingsError
from shortlist.transport import Bridge, Client, Policy, Secret, find_key
from shortlist.transport.failures import failure_of
from shortlist.transport.policy import pause_ms, retry_after_ms

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 7 ", 7_000.0),
        ("1.5", None),
        ("-3", None),
        ("soon", None),
        ("٣", None),
        ("9" * 400, 999_999_999_000.0),
        ("Thu, 01 Jan 2026 12:00:09 GMT", 9_000.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 13:00:05 +0100", 5_000.0),
        ("Thu, 99 Jan 2026 12:00:09 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(header: str | None, expected: float | None) -> None:
    assert retry_after_ms(header, now=NOW) == expected


@given(text=st.text())
def test_any_retry_after_is_a_pause_from_now_or_nothing(text: str) -> None:
    pause = retry_after_ms(text, now=NOW)
    assert pause is None or pause >= 0


@pytest.mark.parametrize(
    ("failures", "random", "asked", "left", "expected"),
    [
        (1, 1.0, None, 1e9, 500),
        (2, 1.0, None, 1e9, 1000),
        (3, 0.5, None, 1e9, 1000),
        (1, 0.0, None, 1e9, 0),
        (3, 1.0, 7_000, 1e9, 7_500),
        (3, 0.0, 7_000, 1e9, 7_000),
        (3, 1.0, 100, 1e9, 2_000),
        (4, 1.0, None, 1e9, None),
        (1, 1.0, None, 500, None),
        (1, 1.0, 60_000, 30_000, None),
    ],
)
def test_pauses_double_have_full_jitter_and_end_before_the_deadline(
    failures: int, random: float, asked: float | None, left: float, expected: float | None
) -> None:
    assert pause_ms(Policy(), failures=failures, asked_ms=asked, left_ms=left, random=random) == expected


@given(
    failures=st.integers(1, 100),
    random=st.floats(0, 1),
    asked=st.none() | st.floats(0, 1e6),
    left=st.floats(-1e6, 1e6),
    retries=st.integers(0, 100),
)
def test_no_pause_reaches_the_deadline_or_is_shorter_than_asked(
    failures: int, random: float, asked: float | None, left: float, retries: int
) -> None:
    pause = pause_ms(Policy(retries=retries), failures=failures, asked_ms=asked, left_ms=left, random=random)
    if pause is not None:
        assert failures <= retries
        assert (asked or 0) <= pause < left
        assert pause <= max((asked or 0) + Policy().first_pause_ms, Policy().longest_pause_ms)


@pytest.mark.parametrize(
    "wrong", [{"budget_ms": 0}, {"attempt_budget_ms": -1}, {"retries": -1}, {"first_pause_ms": -1}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be above 0"):
        Policy(**wrong)


@given(status=st.integers(300, 999), message=st.text())
def test_every_status_is_one_of_our_errors_with_address_and_status(status: int, message: str) -> None:
    error = failure_of(status, message, url="http://x/rerank")
    assert isinstance(error, RemoteError)
    assert type(error) is not RemoteError
    assert f"http://x/rerank answered {status}" in str(error)
    assert len(str(error)) < 700


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = find_key(None, ("A_KEY", "B_KEY"), {"A_KEY": "", "B_KEY": " s3cret\n"}, required=True)
    assert secret is not None
    assert secret.reveal() == "s3cret"
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not written down"):
            copied(secret)


def test_the_given_key_wins_and_a_required_one_must_be_somewhere() -> None:
    environ = {"A_KEY": "environment"}
    given_key = find_key("given", ("A_KEY",), environ, required=True)
    assert given_key is not None
    assert given_key.reveal() == "given"
    same = Secret("x")
    assert find_key(same, (), {}, required=True) is same
    assert find_key(None, ("B_KEY",), environ, required=False) is None
    with pytest.raises(AuthenticationError, match="set B_KEY in the environment, or give api_key="):
        find_key(None, ("B_KEY",), environ, required=True)


async def nothing() -> None:
    """End nothing."""


def test_a_bridge_ends_its_thread_when_closed_or_forgotten_and_starts_again() -> None:
    bridge = Bridge(nothing)
    first = bridge.wait(own_thread())  # its own: other tests' bridges end when they are collected
    assert first.is_alive()
    bridge.close()
    assert not first.is_alive()
    second = bridge.wait(own_thread())
    assert second.is_alive()
    del bridge
    gc.collect()
    second.join(timeout=10)
    assert not second.is_alive()


async def own_thread() -> threading.Thread:
    return threading.current_thread()


def test_cancelling_the_caller_cancels_the_work() -> None:
    bridge = Bridge(nothing)
    ended: list[str] = []
    began = threading.Event()

    async def work() -> None:
        try:
            began.set()
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def caller() -> None:
        task = asyncio.ensure_future(bridge.run(work()))
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(caller())
    bridge.close()
    assert ended == ["cancelled"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
def test_a_bridge_works_in_a_forked_process() -> None:
    bridge = Bridge(nothing)
    assert bridge.wait(asyncio.sleep(0, 1)) == 1
    assert in_a_fork(lambda: bridge.wait(asyncio.sleep(0, 2)) == 2)
    bridge.close()


@pytest.mark.parametrize("url", ["http://x:99999", "http://x:port", "http://[::1", "http://a b", "http://a\nb"])
def test_an_address_that_no_request_can_be_sent_to_is_refused_at_once(url: str) -> None:
    pytest.importorskip("httpx2")
    with pytest.raises(InputError, match="address"):
        Client(url)


def test_a_proxy_that_is_none_is_an_error_that_names_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("httpx2")
    monkeypatch.setenv("ALL_PROXY", "nonsense://")
    client = Client("http://localhost:1")
    with pytest.raises(SettingsError, match=r"no connection to http://localhost:1 can be prepared: .*ALL_PROXY"):
        asyncio.run(client.post("/rerank", {}, deadline=client.deadline()))


def test_an_endless_answer_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    httpx2 = pytest.importorskip("httpx2")
    sent: list[int] = []

    async def endless() -> Any:
        while True:
            sent.append(1000)
            yield b" " * 1000

    real = httpx2.AsyncClient
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=endless()))
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **options: real(transport=transport, **options))
    client = Client("http://x", largest_answer=10_000)
    with pytest.raises(RemoteError, match="answered 200 with more than 10,000 bytes"):
        asyncio.run(client.post("/rerank", {}, deadline=client.deadline()))
    assert sum(sent) == 11_000


class Scripted:
    """An httpx2 client's `post` that answers with statuses in turn, on a clock that only sleeping moves."""

    def __init__(self, statuses: list[int], headers: dict[str, str]) -> None:
        self.statuses = statuses
        self.headers = headers
        self.slept: list[float] = []
        self.seconds = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def handle(self, request: Any) -> Any:
        import httpx2

        return httpx2.Response(self.statuses.pop(0), headers=self.headers, json={"message": "m"})


def client_of(scripted: Scripted, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Client:
    httpx2 = pytest.importorskip("httpx2")
    real: Callable[..., Any] = httpx2.AsyncClient
    transport = httpx2.MockTransport(scripted.handle)
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **options: real(transport=transport, **options))
    return Client(
        "http://x",
        policy=policy,
        clock=lambda: scripted.seconds,
        now=lambda: NOW,
        sleep=scripted.sleep,
        jitter=lambda: 1.0,
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, [0.5, 1.0, 2.0]),
        ({"Retry-After": "3"}, [3.5, 3.5, 3.5]),
        ({"Retry-After": "Thu, 01 Jan 2026 12:00:04 GMT"}, [4.5, 4.5, 4.5]),
    ],
)
def test_the_client_waits_as_the_policy_says(
    headers: dict[str, str], expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted([429, 503, 500, 200], headers)
    client = client_of(scripted, Policy(), monkeypatch)

    async def asked() -> int:
        answer = await client.post("/rerank", {}, deadline=client.deadline())
        await client.close()
        return answer.attempts

    assert asyncio.run(asked()) == 4
    assert scripted.slept == expected


def test_the_client_gives_up_when_the_retries_or_the_budget_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for policy, sleeps in ((Policy(retries=2), 2), (Policy(budget_ms=1600), 2), (Policy(retries=0), 0)):
        scripted = Scripted([503] * 9, {})
        client = client_of(scripted, policy, monkeypatch)

        async def asked(client: Client = client) -> None:
            try:
                await client.post("/rerank", {}, deadline=client.deadline())
            finally:
                await client.close()

        with pytest.raises(RemoteError, match=rf"503 .*attempt {sleeps + 1}"):
            asyncio.run(asked())
        assert len(scripted.slept) == sleeps
        monkeypatch.undo()
