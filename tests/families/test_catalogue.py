"""The catalogue is well formed, and says only what can be true."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shortlist import Reranker
from shortlist.catalogue import Entry, find_entry, nearest_names, read_catalogue, read_size, written_size
from shortlist.errors import InputError, MissingExtraError
from shortlist.passages.windows import LongDocuments
from shortlist.scorers.registry import scorer_kinds
from shortlist.scorers.templates import CAUSAL, MONOT5
from shortlist.weights import packaged_models

KINDS = {*scorer_kinds(), "causal-lm", "seq2seq"}
entries = pytest.mark.parametrize("entry", read_catalogue(), ids=lambda entry: entry.name)


@entries
def test_an_entry_can_be_acted_on(entry: Entry) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub)
    assert entry.hub.endswith(f"/{entry.name}")
    assert entry.kind in KINDS
    assert re.fullmatch(r"([0-9a-f]{40})?", entry.revision)
    assert entry.max_length >= 128
    assert 1_000_000 < entry.parameters < 20_000_000_000
    assert entry.languages
    assert set(entry.needs) <= {"hub", "torch"}
    assert ("torch" in entry.needs) == (entry.kind in {"causal-lm", "seq2seq"})
    assert entry.activation in {"identity", "sigmoid", "log softmax"}


@entries
def test_its_options_are_known_where_they_go(entry: Entry) -> None:
    assert set(entry.options) <= {"template", "long_documents", "max_length"}
    if entry.kind == "causal-lm" and not entry.unsupported:
        assert entry.max_length == CAUSAL[entry.options["template"]].max_length  # no longer text is read
    if entry.kind == "seq2seq":
        assert entry.max_length == MONOT5.max_length
    if "long_documents" in entry.options:
        LongDocuments(entry.options["long_documents"])


@entries
def test_its_licence_and_its_published_scores_are_stated(entry: Entry) -> None:
    assert entry.licence
    assert entry.commercial == ("NC" not in entry.licence)
    for pair in entry.reference:
        assert pair.source
        assert 0 < pair.tolerance <= 0.05


def test_no_name_means_two_models() -> None:
    names = Counter(name.lower() for entry in read_catalogue() for name in set(entry.names))
    names.update(model.name.lower() for model in packaged_models())
    assert [name for name, count in names.items() if count > 1] == []


def test_names_are_found_whatever_their_capitals() -> None:
    found = {find_entry(name) for name in ("bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3", "BGE-Reranker-V2-M3")}
    assert {entry.name for entry in found if entry is not None} == {"bge-reranker-v2-m3"}
    assert find_entry("someone/bge-reranker-v2-m3") is None
    assert find_entry("bge-reranker") is None


def test_misspelt_names_find_their_nearest() -> None:
    assert nearest_names("qwen3-reranker-06b")[0] == "Qwen3-Reranker-0.6B"
    assert nearest_names("BAAI/bge-rerankr-large")[0] == "bge-reranker-large"
    assert nearest_names("shortlst-l6", ["shortlist-l6"]) == ("shortlist-l6",)
    assert nearest_names("zzzz") == ()


@pytest.mark.parametrize(("text", "size"), [("600M", 600_000_000), ("1.5 b", 1_500_000_000), ("4.4m", 4_400_000)])
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "600", "big", "-1M", "1,5B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"600M or 1\.5B"):
        read_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(30_522, "<.1M"), (4_386_049, "4.4M"), (22_713_601, "23M"), (999_600_000, "1.0B"), (8_188_548_096, "8.2B")],
)
def test_sizes_are_written_short(size: int, text: str) -> None:
    assert written_size(size) == text


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize(
    ("model", "options", "absent", "command"),
    [
        ("Qwen3-Reranker-0.6B", {}, "torch", "shortlist[hub,torch]"),
        ("monot5-base-msmarco", {}, "transformers", "shortlist[hub,torch]"),
        ("bge-reranker-base", {"device": "cuda"}, "torch", "shortlist[hub,torch]"),
        ("bge-reranker-base", {}, "huggingface_hub", "shortlist[hub]"),
        ("multilingual-e5-small", {}, "shortlist_multilingual", "shortlist[multilingual]"),
    ],
)
def test_what_a_model_needs_is_looked_for_before_it_is_fetched(
    model: str, options: dict[str, Any], absent: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=re.escape(f"pip install '{command}'")):
        Reranker.load(model, **options)
