"""Requests and answers of language models: their JSON, and how the likelihood of a given answer is got."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shortlist.errors import GenerationError, InputError, MissingExtraError, ModelNotFoundError
from shortlist.generators.chat import chat_request, completion_of
from shortlist.generators.echo import EchoForcing
from shortlist.generators.grammar import GrammarForcing
from shortlist.generators.load import load_language_model
from shortlist.generators.model import LanguageModel
from shortlist.types import Likelihood, Message, Prompt

from .endpoints import InMemory, chat_answer

PROMPT = Prompt((Message("system", "be brief"), Message("user", "hello")), max_tokens=5, stop=("\n",), top_logprobs=2)


def token(text: str, logprob: float, **others: float) -> dict[str, Any]:
    candidates = [{"token": name, "logprob": value} for name, value in others.items()]
    return {"token": text, "logprob": logprob, "top_logprobs": candidates}


def test_a_prompt_becomes_the_request_that_openai_describes() -> None:
    assert chat_request(PROMPT) == {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_tokens": 5,
        "temperature": 0.0,
        "stop": ["\n"],
        "logprobs": True,
        "top_logprobs": 2,
    }
    assert "logprobs" not in chat_request(Prompt(PROMPT.messages))


def test_an_answer_becomes_a_completion() -> None:
    answer = chat_answer("Yes", logprobs={"content": [token("Yes", -0.1, No=-2.5)]}, finish="length")
    completion = completion_of(answer, with_logprobs=True)
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("Yes", 7, 3)
    assert completion.is_cut
    assert completion.logprobs[0].candidates == {"Yes": -0.1, "No": -2.5}


def test_an_answer_without_text_is_an_empty_one() -> None:
    assert completion_of(chat_answer(None), with_logprobs=False).text == ""


def test_text_that_stands_beside_thoughts_is_the_answer() -> None:
    answer = chat_answer(None)
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "maybe [1]"}]}
    said = [{"type": "text", "text": text} for text in ("[2] > ", "[1]")]
    answer["choices"][0]["message"]["content"] = [thought, *said]
    assert completion_of(answer, with_logprobs=False).text == "[2] > [1]"


@pytest.mark.parametrize("usage", ["7", -7, math.nan, [7], None])
def test_usage_that_is_no_count_costs_no_answer(usage: Any) -> None:
    told = {"prompt_tokens": usage, "completion_tokens": 3}
    completion = completion_of(chat_answer("Yes", usage=told), with_logprobs=False)
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("Yes", 0, 3)


@pytest.mark.parametrize("content", [7, {"text": "x"}, ["x"], [{"type": "text", "text": 7}]])
def test_content_that_is_no_text_is_an_error(content: Any) -> None:
    answer = chat_answer(None)
    answer["choices"][0]["message"]["content"] = content
    with pytest.raises(GenerationError, match="no chat completion"):
        completion_of(answer, with_logprobs=False)


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{}]}, {"choices": "x"}, {"choices": None}])
def test_what_is_no_chat_completion_is_an_error(answer: Any) -> None:
    with pytest.raises(GenerationError, match="no chat completion"):
        completion_of(answer, with_logprobs=False)


def test_missing_log_probabilities_are_an_error_only_where_they_were_asked_for() -> None:
    assert completion_of(chat_answer("A"), with_logprobs=False).text == "A"
    with pytest.raises(GenerationError, match="choose a method that reads the answer's text"):
        completion_of(chat_answer("A"), with_logprobs=True)


def test_a_grammar_forces_the_answer_and_its_end_does_not_count() -> None:
    logprobs = {"content": [token("How", -3.0), token(' "tall"', -1.0), token("", -0.5)]}
    endpoint = InMemory(chat_answer('How "tall"', logprobs=logprobs))
    likelihood = LanguageModel(endpoint, forcing=GrammarForcing()).log_likelihood(PROMPT, ' How\n "tall" ')
    assert endpoint.requests[0]["grammar"] == "root ::= <[3]> <[6]>"
    assert endpoint.requests[0]["max_tokens"] == 3
    assert likelihood == Likelihood((-3.0, -1.0), 7)
    assert likelihood.mean == -2.0


def test_a_server_that_ignores_the_grammar_is_found_out() -> None:
    endpoint = InMemory(chat_answer("Something else", logprobs={"content": [token("Something", -1.0)]}))
    with pytest.raises(GenerationError, match="choose likelihood='echo'"):
        LanguageModel(endpoint, forcing=GrammarForcing()).log_likelihood(PROMPT, "How tall?")


def test_an_echo_counts_the_tokens_of_the_answer_only() -> None:
    echoed = {"tokens": ["hello", "\n", "How", " tall", " is"], "token_logprobs": [None, -1.0, -3.0, -2.0, -9.0]}
    told = {**echoed, "text_offset": [0, 5, 6, 9, 14]}  # the last one was generated: one token is the least there is
    endpoint = InMemory({"choices": [{"text": "hello\nHow tall is", "logprobs": told}]})
    prompt = Prompt((Message("user", "hello"),))
    likelihood = LanguageModel(endpoint, forcing=EchoForcing()).log_likelihood(prompt, "How tall")
    assert likelihood.logprobs == (-3.0, -2.0)
    assert endpoint.requests[0]["prompt"] == "hello\nHow tall"
    assert endpoint.requests[0]["echo"] is True


@pytest.mark.parametrize(
    "told", [None, {"tokens": None}, {"tokens": ["x"], "token_logprobs": [-1.0], "text_offset": []}]
)
def test_a_server_that_does_not_echo_is_found_out(told: Any) -> None:
    endpoint = InMemory({"choices": [{"text": " is", "logprobs": told}]})
    with pytest.raises(GenerationError, match="choose likelihood='grammar'"):
        LanguageModel(endpoint, forcing=EchoForcing()).log_likelihood(PROMPT, "How tall")


@pytest.mark.parametrize("forcing", [GrammarForcing(), EchoForcing()])
def test_an_empty_answer_has_no_likelihood(forcing: Any) -> None:
    with pytest.raises(InputError, match="empty answer"):
        LanguageModel(InMemory({}), forcing=forcing).log_likelihood(PROMPT, " \n")


@pytest.mark.parametrize("values", [(), (0.5,), (float("nan"),)])
def test_a_likelihood_is_made_of_log_probabilities(values: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="at most 0"):
        Likelihood(values)


def test_a_model_is_named_with_its_server_or_is_a_file() -> None:
    with pytest.raises(InputError, match="name the server that runs it"):
        load_language_model("gpt")
    with pytest.raises(InputError, match="likelihood must be one of grammar, echo"):
        load_language_model("gpt", server="http://localhost/v1", likelihood="guess")
    with pytest.raises(InputError, match="begins with http"):
        load_language_model("gpt", server="localhost:8000")
    with pytest.raises(ModelNotFoundError, match="no GGUF file at"):
        load_language_model("missing.gguf")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"shortlist\[llm\]"):
        load_language_model("gpt", server="http://localhost/v1")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (
            {"server": "http://127.0.0.1:9/v1"},
            "a language model on a server has no option 'promt'; it has likelihood, server, ",
        ),
        ({}, "a GGUF file has no option 'promt'; it has likelihood, context, threads, concurrency, "),
    ],
)
def test_an_unknown_option_is_refused_with_those_that_there_are(options: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        load_language_model("m.gguf", promt="first", **options)
