"""`verify` tells a backend that computes the model from one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shortlist.build import verify
from shortlist.build.verify import LIMITS, published_scores, real_pairs, verify_model
from shortlist.errors import InputError, ModelNotFoundError
from shortlist.evaluation.agreement import kendall_tau
from shortlist.inference.load import installed_engines
from shortlist.inference.session import Precision
from shortlist.types import Query, ScoreKind, Scores, Step

from .tiny import write_classifier

MODEL = "shortlist-minilm-l6"
SCORES = arrays.arrays(np.float32, st.integers(2, 30), elements=st.integers(-9, 9))


@given(st.data())
def test_tau_is_that_of_scipy(data: st.DataObject) -> None:
    stats = pytest.importorskip("scipy.stats")
    one = data.draw(SCORES)
    other = data.draw(arrays.arrays(np.float32, len(one), elements=st.integers(-9, 9)))
    expected = float(stats.kendalltau(one, other).statistic) if np.ptp(one) and np.ptp(other) else 0.0
    assert kendall_tau(one, other) == pytest.approx(expected, abs=1e-6)


def test_there_are_forty_pairs_of_real_and_different_text() -> None:
    queries, documents = real_pairs()
    assert len(queries) * len(documents) == 40
    assert len({document.text for document in documents}) == len(documents)
    root = Path(__file__).parents[2] / "examples" / "python-docs"
    words = {w for f in root.rglob("*.rst") for w in f.read_text(encoding="utf-8").split()}
    known = [np.mean([word in words for word in document.text.split()]) for document in documents]
    assert min(known) > 0.6  # markup was taken off


def test_the_packaged_model_is_right_on_every_engine_in_fp32() -> None:
    found = verify_model(MODEL, precision="fp32")
    assert found.ok
    assert found.reference == "onnxruntime fp32"
    assert [backend.engine for backend in found.backends] == list(installed_engines())
    # torch has no safetensors to read, and the native engine no fp32
    for backend in (one for one in found.backends if one.engine not in {"torch", "native"}):
        assert [pair.ok for pair in backend.reproduced] == [True, True]
        assert backend.agreement is not None
        assert backend.agreement.tau > 0.99


def test_a_precision_that_is_not_there_is_told_not_failed() -> None:
    found = verify_model(MODEL, engine="onnxruntime", precision="bf16")
    assert found.ok
    assert [(b.agreement, "no bf16" in b.skipped) for b in found.backends] == [(None, True)]


class Noisy:
    """A scorer whose scores are the length of a text, moved by an engine's noise."""

    fingerprint = "noisy"

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def score(self, query: Query, documents: Any) -> Scores:
        values = np.asarray([len(d.text) for d in documents], np.float32) / 100
        moved = values + np.random.default_rng(0).normal(size=len(values)).astype(np.float32) * self.noise
        return Scores(moved.astype(np.float32), ScoreKind.LOGIT, Step("noisy"))


@pytest.mark.parametrize(("noise", "precision", "ok"), [(0.0, "fp32", True), (0.5, "fp32", False), (9, "int8", False)])
def test_a_backend_that_strays_is_found_out(
    noise: float, precision: str, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, *, engine: str, precision: str, threads: int | None, device: str) -> Noisy:
        return Noisy(noise if engine == "openvino" else 0.0)

    monkeypatch.setattr(verify, "load_model", load)
    monkeypatch.setattr(verify, "installed_engines", lambda: ("onnxruntime", "openvino"))
    found = verify_model("anything", precision=precision)
    assert found.ok is ok
    assert {b.engine: b.ok for b in found.backends} == {"onnxruntime": True, "openvino": ok}


def test_a_published_score_that_is_not_reproduced_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "load_model", lambda name, **options: Noisy(0.0))
    found = verify_model("ms-marco-MiniLM-L6-v2", precision="fp32")
    assert not found.ok
    assert {pair.ok for backend in found.backends for pair in backend.reproduced} == {False}


def test_the_reference_is_torch_where_it_can_run_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "load_model", lambda name, **options: Noisy(0.0))
    monkeypatch.setattr(verify, "installed_engines", lambda: ("onnxruntime", "torch"))
    found = verify_model("anything", precision="fp32")
    assert (found.reference, found.note) == ("torch fp32", "")
    assert [backend.engine for backend in found.backends] == ["onnxruntime", "torch"]


def test_published_scores_are_found_by_name_and_by_the_folder_they_were_fetched_into(tmp_path: Path) -> None:
    assert len(published_scores("BAAI/bge-reranker-v2-m3")) == 3
    folder = write_classifier(tmp_path)
    assert published_scores(str(folder)) == ()
    (folder / "shortlist.json").write_text('{"name": "BAAI/bge-reranker-v2-m3"}')
    assert len(published_scores(str(folder))) == 3


def test_limits_loosen_with_the_precision() -> None:
    assert LIMITS[Precision.FP32].difference < LIMITS[Precision.INT8].difference
    assert LIMITS[Precision.FP32].tau > LIMITS[Precision.INT8].tau


def test_what_cannot_be_verified_is_an_error() -> None:
    with pytest.raises(ModelNotFoundError):
        verify_model("nonsense")
    with pytest.raises(InputError, match="'auto' may be any"):
        verify_model(MODEL, precision="auto")
