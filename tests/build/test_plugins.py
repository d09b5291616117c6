"""A scorer of a third party, found through its entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist import Reranker
from shortlist.errors import InputError, ScoreError
from shortlist.protocols import Scorer
from shortlist.scorers.registry import load_scorer, scorer_kinds
from shortlist.settings import Settings

MODULE = '''
import numpy as np
from shortlist.types import ScoreKind, Scores, Step


class Length:
    """Scores a document by its length, times a factor."""

    def __init__(self, model, factor):
        self.fingerprint, self.factor = f"length:{model}", factor

    @classmethod
    def load(cls, model, *, factor=1.0):
        return cls(model, factor)

    def score(self, query, documents):
        values = np.asarray([self.factor * len(d.text) for d in documents], dtype=np.float32)
        return Scores(values, ScoreKind.UNKNOWN, Step("length"))


class Backwards:
    """Turns the candidates round; says how it was to run."""

    @classmethod
    def load(cls, model, *, device="auto", precision="auto", threads=None):
        one = cls()
        one.how = {"device": device, "precision": precision, "threads": threads}
        return one

    def rerank(self, candidates, *, top_k=None):
        values = list(range(len(candidates)))
        steps = (Step("backwards", facts={name: str(value) for name, value in self.how.items()}),)
        return candidates.reordered(values, kind=ScoreKind.UNKNOWN, stage="backwards", top_k=top_k, steps=steps)
'''


POINTS = """[shortlist.scorers]
length = length_scorer:Length.load
[shortlist.rerankers]
backwards = length_scorer:Backwards.load
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution that registers the kinds "length" and "backwards"."""
    (tmp_path / "length_scorer.py").write_text(MODULE, encoding="utf-8")
    information = tmp_path / "length_scorer-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: length-scorer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("length_scorer", None)


@pytest.mark.usefixtures("plugin")
def test_a_plugin_is_listed_loaded_and_given_its_options() -> None:
    assert "length" in scorer_kinds()
    scorer = load_scorer("length", "m1")
    assert isinstance(scorer, Scorer)
    assert scorer.fingerprint == "length:m1"
    texts = ["aa", "a", "aaa"]
    assert Reranker("m1", kind="length").rank("q", texts).doc_ids == ("2", "0", "1")
    assert Reranker("m1", kind="length", factor=-1.0).rank("q", texts).doc_ids == ("1", "0", "2")


@pytest.mark.usefixtures("plugin")
def test_a_plugin_that_gives_nan_is_named_with_the_document() -> None:
    with pytest.raises(ScoreError, match="length gave nan for document '0'"):
        Reranker("m1", kind="length", factor=float("nan")).rank("q", ["a", "b"])


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("llm_server", ["none", "http://127.0.0.1:9/v1"])
def test_a_reranker_of_a_plugin_runs_as_the_settings_say(llm_server: str) -> None:
    settings = Settings(
        model="backwards:m1", device="cuda", precision="fp16", threads=3, engine="torch", llm_server=llm_server
    )
    ranking = Reranker.of(settings).rank("q", ["a", "b"])
    assert ranking.doc_ids == ("1", "0")
    assert ranking.trace.steps[-1].facts == {"device": "cuda", "precision": "fp16", "threads": "3"}
    with pytest.raises(InputError, match="cannot be asked to be exact"):
        Reranker.of(Settings(model="backwards:m1", exact=True)).ready()


@pytest.mark.usefixtures("plugin")
def test_an_unknown_kind_lists_the_known_ones_and_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no scorer of kind 'lenght' \(there are: .*\); did you mean 'length'\?"):
        Reranker("m1", kind="lenght").rank("q", ["a"])
    with pytest.raises(InputError, match="did you mean 'cross-encoder'"):
        Reranker(kind="crossencoder").rank("q", ["a"])


def test_without_the_plugin_its_kind_is_unknown() -> None:
    assert "length" not in scorer_kinds()
    with pytest.raises(InputError, match="no scorer of kind 'length'"):
        Reranker(kind="length").rank("q", ["a"])
