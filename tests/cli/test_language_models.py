"""Language models as rerankers on the command line, named as every other model is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from llm.endpoints import Loopback, listening, ok

from .running import run

QUESTION = "how tall is the tower?"
TEXTS = ("It is of iron.", "The tower is 330 m tall.", "Cats hunt at night.")
SECOND_FIRST = "[2] > [1] > [3]"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


def test_a_real_server_reranks_and_what_it_took_is_told_before_and_after(language_server: str) -> None:
    pytest.importorskip("openai")
    model = "llm-likelihood:SmolLM2-135M-Instruct[words=20,prices.prompt=1,prices.completion=2]"
    named = ("rerank", QUESTION, *TEXTS, "--model", model, "--llm-server", language_server)
    before = run(*named, "--estimate", "--json").json()
    told = run(*named, "--json").json()
    assert told["results"][0]["text"] == TEXTS[1]
    (step,) = told["trace"]
    assert (step["stage"], step["counts"]["calls"], before["calls"]) == ("llm", 3, 3)
    spent = step["counts"]["prompt_tokens"] + 2 * step["counts"]["completion_tokens"]
    assert float(step["facts"]["cost"]) == pytest.approx(spent / 1e6)
    assert before["prompt_tokens"] == pytest.approx(step["counts"]["prompt_tokens"], rel=0.3)
    assert before["cost"] > 0
    assert "at most 3 calls, about " in run(*named, "--estimate").out


def test_a_file_runs_in_this_process(gguf: Path) -> None:
    pytest.importorskip("xllamacpp")
    outcome = run("rerank", QUESTION, *TEXTS[:2], "-m", f"llm-likelihood:{gguf}[context=512,concurrency=1,words=20]")
    assert outcome.code == 0, outcome.err
    assert outcome.out.split()[2] == "1"


def test_a_search_shows_what_it_took_and_keeps_its_order_when_the_server_fails(
    indexed: Path, language_server: str
) -> None:
    pytest.importorskip("openai")
    words = "llm-pointwise:m[words=10,prices.prompt=1,prices.completion=1]"
    shown = run(
        "search", QUESTION, indexed, "--depth", "2", "-k", "2", "-m", words, "--llm-server", language_server
    ).out
    assert "2 calls" in " ".join(shown.split())
    assert "cost 0.000" in " ".join(shown.split())
    failed = run("search", QUESTION, indexed, "-m", words, "--llm-server", "http://127.0.0.1:9/v1")
    assert failed.code == 0
    assert "reranking failed, so the hybrid order stands: GenerationError" in failed.err
    assert "is it running" in failed.err


def test_settings_name_model_options_and_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    loopback = Loopback(lambda _: ok(SECOND_FIRST))
    with listening(loopback) as server:
        file = f'model = "llm-listwise:qwen3:30b[body.max_tokens=9]"\nllm_server = "{server}"\n'
        Path("shortlist.toml").write_text(file, "utf-8")
        assert run("rerank", QUESTION, *TEXTS, "--json").texts()[0] == TEXTS[1]
        Path("shortlist.toml").unlink()
        monkeypatch.setenv("SHORTLIST_LLM_SERVER", server)
        assert run("rerank", QUESTION, *TEXTS, "-m", "llm-listwise:other", "--json").texts()[0] == TEXTS[1]
    assert [body["model"] for body in loopback.bodies] == ["qwen3:30b", "other"]
    assert loopback.bodies[0]["max_tokens"] == 9


def test_the_key_in_the_environment_is_for_the_settings_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("SHORTLIST_LLM_KEY", "sesame\n")
    monkeypatch.setenv("OPENAI_API_KEY", "another server's")
    loopback = Loopback(lambda _: ok(SECOND_FIRST))
    with listening(loopback) as server:
        assert run("rerank", QUESTION, *TEXTS, "-m", "llm-listwise:m", "--llm-server", server).code == 0
        assert run("rerank", QUESTION, *TEXTS, "-m", f"llm-listwise:m[server={server}]").code == 0
    assert loopback.keys == ["Bearer sesame", "Bearer none"]


def test_what_fails_is_answered_by_the_fallback_and_says_what_to_do() -> None:
    pytest.importorskip("openai")
    with listening(Loopback(lambda _: (401, {}, b'{"error": {"message": "wrong key"}}'))) as server:
        named = ("rerank", QUESTION, *TEXTS, "-m", "llm-setwise:m", "--llm-server", server)
        alone, chain = run(*named), run(*named, "--fallback", "lexical:words", "--json")
    assert alone.code == 1
    assert "wrong key" in alone.err
    assert "SHORTLIST_LLM_KEY" in alone.err
    assert chain.json()["stage"] == "lexical"
    assert "llm-setwise:m failed, so lexical:words was asked: GenerationError" in chain.err


def test_a_server_without_that_model_is_told_apart() -> None:
    pytest.importorskip("openai")
    with listening(Loopback(lambda _: (404, {}, b'{"error": {"message": "no such model"}}'))) as server:
        outcome = run("rerank", QUESTION, *TEXTS, "-m", "llm-setwise:m", "--llm-server", server)
    assert outcome.code == 1
    assert "no such model; is the model one of those that ADDRESS/models lists" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["-m", "llm-listwise:qwen3"], 2, "--llm-server on the command line"),
        (["-m", "llm-listwise:missing.gguf"], 1, "there is no GGUF file at missing.gguf"),
        (["-m", "llm-listwise:no.gguf[server=null]", "--llm-server", "http://x/v1"], 1, "no GGUF file at no.gguf"),
        (["-m", "llm-listwise:", "--llm-server", "http://x/v1"], 2, "needs its name on http://x/v1"),
        (["-m", "llm-listwise:m", "--llm-server", "x:80"], 2, "begins with http"),
        (["-m", "llm-listwise:m[widnow=5]", "--llm-server", "http://x/v1"], 2, "'widnow'; it has: prompt, windows"),
        (["-m", "llm-listwise:m[window=a]", "--llm-server", "http://x/v1"], 2, "must be a whole number; got 'a'"),
        (["-m", "llm-listwise:m[record=a]", "--llm-server", "http://x/v1"], 2, "record must be a function"),
        (["-m", "llm-listwise:m[body=a]", "--llm-server", "http://x/v1"], 2, "must be made of parts"),
        (["-m", "llm-listwise:m[budget.call=5]", "--llm-server", "http://x/v1"], 2, "budget is made of calls, tokens"),
        (["-m", "llm-listwise:m[prices.prompt=1]", "--llm-server", "http://x/v1"], 2, "prices is made of prompt, comp"),
        (["-m", "llm-listwise:m[context=9]", "--llm-server", "http://x/v1"], 2, "on a server has no option 'context'"),
        (["-m", "llm-listwise:m", "--llm-server", "http://x/v1", "--exact"], 2, "cannot be asked to be exact"),
        (["-m", "llm-pointwise:m", "--llm-server", "http://x/v1", "--budget-ms", "9"], 2, "[budget.calls=20]"),
        (
            ["-m", "lexical:w", "--faster", "llm-setwise:m", "--llm-server", "http://x/v1", "--budget-ms", "9"],
            2,
            "llm-setwise:m gets all candidates at once: it keeps no deadline",
        ),
        (["-m", "lexical:words", "--estimate", "--budget-ms", "9"], 2, "--budget-ms has no meaning with --estimate"),
        (["-m", "lexical:words", "--estimate"], 2, "only rerankers that prompt a language model have an estimate"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(arguments: list[str], code: int, reason: str) -> None:
    pytest.importorskip("openai")
    outcome = run("rerank", QUESTION, *TEXTS, *arguments)
    assert outcome.code == code, outcome.err
    assert reason in outcome.err


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [("openai", ["m", "--llm-server", "http://x/v1"], "llm"), ("xllamacpp", ["model.gguf"], "gguf")],
)
def test_a_missing_package_names_its_extra(
    package: str, arguments: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("model.gguf").touch()
    monkeypatch.setitem(sys.modules, package, None)
    outcome = run("rerank", QUESTION, *TEXTS, "-m", f"llm-listwise:{arguments[0]}", *arguments[1:])
    assert outcome.code == 1
    assert f"pip install 'shortlist[{extra}]'" in outcome.err


def test_commands_that_want_scores_of_pairs_say_so(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"query": "a", "text": "b"}\n', "utf-8")
    for command in (("rerank", "--pairs", "pairs.jsonl", "--out", "out", "-m"), ("calibrate",)):
        assert "llm-likelihood:m reranks candidates for a query" in run(*command, "llm-likelihood:m").err
    assert "--estimate has no meaning with --pairs" in run("rerank", "--pairs", "pairs.jsonl", "--estimate").err


def test_systems_are_evaluated_and_advised_on_with_what_they_cost(collection: Path) -> None:
    pytest.importorskip("openai")
    with listening(Loopback(lambda _: ok("[1] > [2] > [3]"))) as server:
        named = ("-c", collection, "--llm-server", server, "--json")
        model = "llm-listwise:m[prices.prompt=100,prices.completion=0]"
        cascade = f"bm25@3 > lexical:words@3 > {model[:14]}@2{model[14:]}"
        (system,) = run("evaluate", *named, "-s", cascade).json()["systems"]
        advice = run("advise", *named, "-m", "llm-listwise:m", "--depth", "3").json()
    first = next(iter(system["answers"].values()))
    assert (first["tokens"], first["cost"]) == (10, pytest.approx(0.0007))
    assert "llm-listwise:m" in json.dumps(advice["models"])


def test_an_evaluation_refuses_options_before_it_reads_anything_into_an_index(collection: Path) -> None:
    for option, reason in (("speed=9", "no option 'speed'; it has: "), ("threads=a", "must be a whole number")):
        outcome = run("evaluate", "-c", collection, "-s", f"bm25 > shortlist-l6[{option}]", "--index", "kept")
        assert (outcome.code, Path("kept").exists()) == (2, False)
        assert reason in outcome.err


def test_attacks_are_planted_before_a_language_model_that_is_named_as_everywhere() -> None:
    pytest.importorskip("openai")
    with listening(Loopback(lambda _: ok("[1] > [2] > [3] > [4]"))) as server:
        bare = "llm-listwise:m[fenced=false]"
        found = run("probe-injection", "-m", bare, "-m", "lexical:words", "--llm-server", server, "--json").json()
    assert {row["lifted"] for row in found[bare]} == {0}
    assert {row["cases"] for row in found["lexical:words"]} == {6}


def test_every_kind_is_listed_as_one_that_can_be_named() -> None:
    listed = " ".join(run("models").out.split())
    assert "kinds of reranker, as kind:name: bi-encoder, causal-lm, " in listed
    assert "llm-setwise" in listed
    assert "in Python" not in listed
