"""A model with its options as one text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortlist import Reranker
from shortlist.build.models import split_name
from shortlist.errors import InputError
from shortlist.scorers.spelling import split_options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("[a=1]", {"a": 1}),
        ("[ a = 0.5 , b=true,c=null]", {"a": 0.5, "b": True, "c": None}),
        ('[a=text,b="20",c=cuda:1]', {"a": "text", "b": "20", "c": "cuda:1"}),
        ("[budget.calls=20,budget.cost=1,body.n=x]", {"budget": {"calls": 20, "cost": 1}, "body": {"n": "x"}}),
        ("[a=NaN,b=-1,c=1e3,d=-1e400]", {"a": "NaN", "b": -1, "c": 1000.0, "d": "-1e400"}),
    ],
)
def test_values_are_those_of_json_and_else_texts(text: str, options: dict[str, Any]) -> None:
    assert split_options(f"llm-listwise:qwen3:30b{text}") == ("llm-listwise:qwen3:30b", options)


@pytest.mark.parametrize("text", ["tei:http://[::1]:8080", "tei:http://[::1]", "owner/name", "folder[1]", "a[b=c]d"])
def test_what_ends_in_no_options_is_a_name(text: str) -> None:
    assert split_options(text) == (text, {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m[a=1,b]", "cannot read the option 'b'; write option=value"),
        ("m[a=1,a=2]", "each option once"),
        ("m[a=]", "cannot read the option 'a='"),
        ("m[a=1,a.b=2]", "'a' has a value and cannot have parts such as 'a.b'"),
        ("m[a.b=2,a=1]", "'a' has parts and cannot have a value"),
    ],
)
def test_what_cannot_be_read_is_shown(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        split_options(text)


def test_brackets_of_a_name_are_its_own_and_those_within_options_are_not_read() -> None:
    assert split_options("tei:http://[::1]:80[a=1]") == ("tei:http://[::1]:80", {"a": 1})
    with pytest.raises(InputError, match="without brackets inside"):
        split_options("llm-listwise:a[body.stop=[1]]")


def test_a_path_that_is_there_is_no_name_with_options(tmp_path: Path) -> None:
    folder = tmp_path / "m[v=2]"
    folder.mkdir()
    assert split_name(str(folder)) == (None, str(folder), {})


def test_a_kind_is_one_that_is_registered() -> None:
    assert split_name("llm-listwise:qwen3:30b[window=5]") == ("llm-listwise", "qwen3:30b", {"window": 5})
    assert split_name("tei:http://localhost:8080") == ("tei", "http://localhost:8080", {})
    assert split_name("C:/models/mine") == (None, "C:/models/mine", {})
    with pytest.raises(InputError, match=r"no kind of reranker is called .choere.; did you mean .cohere:m.\?"):
        split_name("choere:m")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("shortlist-minilm-l6[max_length=5.5]", "max_length must be a whole number of tokens"),
        ("shortlist-minilm-l6[exact=yes]", "exact of the kind 'cross-encoder' must be true or false; got 'yes'"),
        (
            "tei:http://localhost:1[concurrency=many]",
            "concurrency of the kind 'tei' must be a whole number; got 'many'",
        ),
        ("tei:http://localhost:1[served_model=7]", "served_model of the kind 'tei' must be a text; got 7"),
        ("lexical:words[speed=9]", "the kind 'lexical' has no option 'speed'; it has none"),
    ],
)
def test_an_option_of_another_type_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Reranker.load(name)


def test_a_kind_may_stand_among_the_options_and_what_is_no_option_is_refused() -> None:
    assert split_name("model.gguf[kind=llm-listwise,window=5]") == ("llm-listwise", "model.gguf", {"window": 5})
    for name in ("encoder", "defaults", "model", "api_key"):
        with pytest.raises(InputError, match=f"{name} cannot stand behind the name") as refused:
            Reranker.load(f"shortlist-l6[{name}=sesame]")
        assert "sesame" not in str(refused.value)


def test_what_a_caller_says_beside_the_name_wins() -> None:
    with pytest.raises(InputError, match=r"max_length .* got 0"):
        Reranker.load("shortlist-minilm-l6[max_length=64]", max_length=0)
    ranking = Reranker.load("shortlist-minilm-l6[precision=fp32,engine=onnxruntime]").rank("tall", ["a", "tall"])
    assert ranking.trace.steps[0].facts["precision"] == "fp32"
