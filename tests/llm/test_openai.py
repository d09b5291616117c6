"""The official client against a server on the loopback interface that fails in the usual ways."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from forked import in_a_fork
from shortlist import Reranker
from shortlist.errors import AuthenticationError, GenerationError, InputError, PromptRefusedError, PromptTooLongError
from shortlist.generators.load import load_language_model
from shortlist.generators.model import LanguageModel
from shortlist.types import Message, Prompt

from .endpoints import Loopback, Reply, listening, ok

pytest.importorskip("openai")

PROMPT = Prompt((Message("user", "hello"),))
SOON = {"Retry-After-Ms": "1"}


def asked(
    reply: Callable[[int], Reply], *, pause_s: float = 0.0, times: int = 1, **options: Any
) -> tuple[Loopback, Any]:
    """Ask a server `times` at once; returns it with the answers' texts or the first error."""
    loopback = Loopback(reply, pause_s=pause_s)
    with listening(loopback) as server:
        model = load_language_model("m", server=server, **options)
        try:
            with ThreadPoolExecutor(times) as pool:
                return loopback, [one.text for one in pool.map(lambda _: model.generate(PROMPT), range(times))]
        except GenerationError as error:
            return loopback, error
        finally:
            closed(model)


def closed(model: LanguageModel) -> None:
    """Close the client's connections, which a warning would else tell of."""
    model._endpoint.close()  # type: ignore[attr-defined]


def test_a_busy_or_failing_server_is_asked_again() -> None:
    replies: list[Reply] = [(429, SOON, b"{}"), (503, SOON, b"{}"), ok("hi")]
    loopback, answer = asked(replies.__getitem__)
    assert answer == ["hi"]
    assert len(loopback.bodies) == 3
    assert loopback.bodies[0]["model"] == "m"


def test_it_is_asked_again_only_as_often_as_allowed() -> None:
    loopback, answer = asked(lambda _: (503, SOON, b'{"error": {"message": "overloaded"}}'), retries=1)
    assert len(loopback.bodies) == 2
    assert "m@http://127.0.0.1" in str(answer)
    assert "overloaded" in str(answer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
def test_a_process_that_is_forked_while_others_are_answered_has_turns_and_connections_of_its_own() -> None:
    asked_first, may_go = threading.Event(), threading.Event()

    def reply(number: int) -> Reply:
        if number:
            return ok("second")
        asked_first.set()
        assert may_go.wait(100)
        return ok("first")

    with listening(Loopback(reply)) as server, ThreadPoolExecutor(1) as pool:
        model = load_language_model("m", server=server, concurrency=1)
        waiting = pool.submit(model.generate, PROMPT)
        assert asked_first.wait(10)
        assert in_a_fork(lambda: model.generate(PROMPT).text == "second")
        may_go.set()
        assert waiting.result().text == "first"
        closed(model)


@pytest.mark.parametrize("timeout_s", [0, -1, 1e300, float("inf"), float("nan")])
def test_a_time_that_no_socket_waits_is_refused(timeout_s: float) -> None:
    with pytest.raises(InputError, match="needs timeout_s above 0 and up to 1000000"):
        load_language_model("m", server="http://127.0.0.1:9/v1", timeout_s=timeout_s)


def test_a_refusal_is_not_repeated_and_says_why() -> None:
    loopback, answer = asked(lambda _: (401, {}, b'{"error": {"message": "wrong key"}}'), api_key="k")
    assert len(loopback.bodies) == 1
    assert loopback.keys == ["Bearer k"]
    assert "wrong key" in str(answer)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "This model's maximum context length is 4096 tokens.", PromptTooLongError),
        (400, "The decoder prompt (length 9000) is longer than the maximum model length of 4096.", PromptTooLongError),
        (400, f"{'x' * 400} The input (9000 tokens) is longer than the model's context length.", PromptTooLongError),
        (400, "the request (9000 tokens) exceeds the available context size (4096 tokens)", PromptTooLongError),
        (400, "The response was filtered.", PromptRefusedError),
        (422, "Unprocessable", PromptRefusedError),
        (401, "wrong key", GenerationError),
        (404, "no such model", GenerationError),
    ],
)
def test_a_refused_prompt_is_told_from_a_server_that_answers_nobody(status: int, message: str, kind: type) -> None:
    body = json.dumps({"error": {"message": message}}).encode()
    _, answer = asked(lambda _: (status, {}, body), retries=0)
    assert type(answer) is kind


def test_a_key_in_the_environment_is_not_sent_to_a_server_that_was_not_given_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    loopback, _ = asked(lambda _: ok("hi"))
    assert "of-another-server" not in str(loopback.keys)


def test_a_key_that_a_server_repeats_is_in_no_error() -> None:
    body = json.dumps({"error": {"message": "received key = sk-secret"}}).encode()
    loopback, answer = asked(lambda _: (401, {}, body), retries=0, api_key="sk-secret\n")
    assert loopback.keys == ["Bearer sk-secret"]
    assert "received key = ..." in str(answer)
    assert "sk-secret" not in str(answer)


def test_a_key_that_no_header_can_hold_is_refused_without_repeating_it() -> None:
    with pytest.raises(AuthenticationError, match="was it copied whole") as caught:
        load_language_model("m", server="http://127.0.0.1:9/v1", api_key="sk-\nsecret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'"text"'])
def test_an_answer_that_is_no_chat_completion_is_an_error(content: bytes) -> None:
    _, answer = asked(lambda _: (200, {}, content), retries=0)
    assert isinstance(answer, GenerationError)


def test_a_server_that_is_too_slow_is_given_up() -> None:
    _, answer = asked(lambda _: ok("late"), pause_s=0.5, timeout_s=0.05, retries=0)
    assert "Timeout" in str(answer)


def test_a_server_that_is_not_there_is_named() -> None:
    model = load_language_model("m", server="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(GenerationError, match=r"m@http://127.0.0.1:9/v1 did not answer: APIConnectionError"):
        model.generate(PROMPT)
    closed(model)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "http://", "http://u:p@x/v1", "http://x/v1?key=u:p", "http://[::1/v1"]
)
def test_an_address_that_is_none_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(InputError, match="address") as caught:
        load_language_model("m", server=url)
    assert "u:p" not in str(caught.value)


def test_no_more_are_asked_at_once_than_allowed() -> None:
    loopback, answers = asked(lambda _: ok("hi"), pause_s=0.03, times=8, concurrency=2)
    assert answers == ["hi"] * 8
    assert loopback.most_inside <= 2


def test_fields_can_be_added_and_taken_out() -> None:
    body = {"max_tokens": None, "max_completion_tokens": 99, "reasoning_effort": "low"}
    loopback, _ = asked(lambda _: ok("hi"), body=body)
    sent = loopback.bodies[0]
    assert "max_tokens" not in sent
    assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (99, "low")


@pytest.mark.parametrize("content", [b"{}", b'{"tokens": []}', b'{"tokens": [{"id": 1}]}', b"[1]"])
def test_a_server_that_does_not_tell_token_ids_is_found_out(content: bytes) -> None:
    loopback = Loopback(lambda _: (200, {}, content))
    with listening(loopback) as server:
        model = load_language_model("m", server=server)
        with pytest.raises(GenerationError, match="choose likelihood='echo'"):
            model.log_likelihood(PROMPT, "how tall?")
        closed(model)
    assert loopback.bodies == [{"content": "how tall?"}]


def test_a_reranker_is_loaded_by_a_models_name_and_its_server() -> None:
    loopback = Loopback(lambda _: ok("[2] > [1]"))
    with listening(loopback) as server:
        reranker = Reranker.load("m", kind="llm-listwise", server=server)
        ranking = reranker.rank("which?", ["first", "a lone \ud800 surrogate"])
        closed(reranker._ready()._setup.model)  # type: ignore[attr-defined]
    assert ranking.doc_ids == ("1", "0")
    assert ranking.trace.steps[-1].counts["prompt_tokens"] == 7
    assert json.dumps(loopback.bodies[0]).count("<passage>") == 3  # the warning names the mark too


def test_a_server_that_does_not_stream_is_an_error_and_no_empty_answer() -> None:
    with listening(Loopback(lambda _: ok("It is 330 m tall."))) as server:
        model = load_language_model("m", server=server)
        try:
            with pytest.raises(GenerationError, match="no piece of a streamed answer"):
                model.stream(PROMPT, print)
        finally:
            closed(model)


def test_a_stream_that_ends_before_its_answer_does_is_an_error_and_no_whole_answer() -> None:
    chunk = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "It is"}}]}
    content = f"data: {json.dumps(chunk)}\n\n".encode()
    pieces: list[str] = []
    with listening(Loopback(lambda _: (200, {"Content-Type": "text/event-stream"}, content))) as server:
        model = load_language_model("m", server=server)
        try:
            with pytest.raises(GenerationError, match="broke off"):
                model.stream(PROMPT, pieces.append)
        finally:
            closed(model)
    assert pieces == ["It is"]
