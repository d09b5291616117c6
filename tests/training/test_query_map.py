"""A map of query vectors: what it learns, when it is left empty, and the blend that carries it."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

from shortlist.build.indexing import index_paths
from shortlist.build.models import blend_parts, load_model
from shortlist.build.query_map import FILE
from shortlist.build.training import Wanted, train_model
from shortlist.cli import main
from shortlist.cli.train import train
from shortlist.errors import CorruptModelError, InputError
from shortlist.inference.models import find_model
from shortlist.scorers.cosine import mapped, read_map
from shortlist.training.copies import Passages
from shortlist.training.examples import Asked, Judged
from shortlist.training.query_map import DECAYS, Labelled, choose, fit, ndcg
from shortlist.training.recipe import Recipe
from shortlist.types import Document, Query

pytestmark = pytest.mark.usefixtures("one_thread")


def leaning(*, related: bool = True) -> Labelled:
    """Passages, and queries that are their passage pulled towards one direction, the same for all."""
    rng = np.random.default_rng(0)
    passages = rng.normal(size=(200, 64)).astype(np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    wanted = rng.permutation(200)[:120]
    pull = np.float32(6.0 if related else 0.0) * passages.mean(axis=0) / np.linalg.norm(passages.mean(axis=0))
    queries = passages[wanted] + pull
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    labels = np.zeros((120, 200), np.float32)
    labels[np.arange(120), wanted] = 1
    return Labelled(np.ascontiguousarray(queries), passages, labels)


def test_what_labelled_queries_have_in_common_helps_others() -> None:
    data = leaning()
    found = choose(data.of(range(80)), range(80))
    assert found.decay in DECAYS
    assert found.dev_ndcg > found.dev_ndcg_at_start
    others = data.of(range(80, 120))
    assert np.mean(ndcg(others, found.values)) > np.mean(ndcg(others, np.zeros_like(found.values)))


def test_where_nothing_can_be_better_the_map_is_empty() -> None:
    found = choose(leaning(related=False), range(120))
    assert found.decay is None
    assert not found.values.any()
    assert found.dev_ndcg == found.dev_ndcg_at_start == 1


def test_queries_of_one_name_are_in_one_fold() -> None:
    """Each of three queries stands there three times: held out whole, a map learned from the others says nothing."""
    data = leaning().of([0, 1, 2] * 3)
    assert choose(data, range(9)).dev_ndcg > choose(data, ["a", "b", "c"] * 3).dev_ndcg


def test_a_larger_decay_stays_nearer_to_nothing() -> None:
    sizes = [np.abs(fit(leaning(), decay)).sum() for decay in (1.0, 0.01, 0.0)]
    assert sizes == sorted(sizes)


def test_mapped_queries_are_unit_vectors_and_an_empty_map_changes_none() -> None:
    queries = leaning().queries
    np.testing.assert_allclose(mapped(queries, np.zeros((64, 64), np.float32)), queries, atol=1e-6)
    moved = mapped(queries, np.ones((64, 64), np.float32))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY"])
def test_a_damaged_map_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(CorruptModelError, match=FILE):
        read_map(tmp_path / FILE)


def test_a_map_that_is_no_square_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / FILE, np.zeros((3, 4), np.float32))
    with pytest.raises(CorruptModelError, match="square"):
        read_map(tmp_path / FILE)


def data_of(folder: Path) -> Path:
    things = ["wing", "nozzle", "plate", "shock", "jet", "wake"]
    rows = [
        {"query": f"what of the {thing}", "positive": f"about a {thing} in flow", "negatives": [f"paint for a {thing}"]}
        for thing in things
    ]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "data.jsonl"


def test_the_packaged_blend_takes_a_map_and_its_folder_loads(tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "model"
    trained = train_model(Wanted([data_of(tmp_path)], out, kind="query-map"), Recipe(), tell=said.append)
    assert trained.card["kind"] == "blend"
    assert trained.card["training"]["queries"] == 6
    assert "6 queries with a relevant passage, 12 passages" in "\n".join(said)
    (part,) = (part for part in blend_parts(str(out)) if part["kind"] == "bi-encoder")
    assert part["query_map"] == str(out / FILE)
    np.save(out / FILE, np.eye(384, dtype=np.float32)[::-1].copy())  # another map gives other scores
    query, documents = Query("what of the jet"), [Document("about a jet in flow", "1"), Document("paint", "2")]
    plain, other = (load_model(name).score(query, documents).values for name in ("shortlist-l6", str(out)))
    assert not np.allclose(plain, other, atol=0.1)


def test_a_map_of_a_trained_blend_holds_its_cross_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(find_model("shortlist-minilm-l6").path, tmp_path / "start")
    parts = [dict(part) for part in blend_parts("shortlist-l6") if part["kind"] != "token-bm25"]
    parts[0]["model"] = "."
    (tmp_path / "start" / "card.json").write_text(json.dumps({"kind": "blend", "parts": parts}))
    data = data_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    Path("model/exit_heads.safetensors").write_bytes(b"of the model that was here before")
    train_model(Wanted([data], Path("model"), kind="query-map", start="start"), Recipe())
    shutil.rmtree("start")
    assert not Path("model/exit_heads.safetensors").exists()
    assert [part["model"] for part in blend_parts("model")] == ["model", "all-minilm-l6-v2"]
    documents = [Document("about a jet in flow", "1"), Document("paint", "2")]
    assert load_model(str(tmp_path / "model")).score(Query("what of the jet"), documents).values.argmax() == 0


def test_the_stored_copy_of_a_judged_passage_stands_for_it(tmp_path: Path) -> None:
    """The index holds each relevant passage under a title that the rows leave out."""
    data, said = data_of(tmp_path), list[str]()
    stored = [{"title": "Notes", "text": json.loads(line)["positive"]} for line in data.read_text().splitlines()]
    (tmp_path / "docs.jsonl").write_text("\n".join(map(json.dumps, stored)))
    index_paths([tmp_path / "docs.jsonl"], tmp_path / "index")
    wanted = Wanted([data], tmp_path / "model", kind="query-map", index=tmp_path / "index")
    train_model(wanted, Recipe(), tell=said.append)
    assert "6 queries with a relevant passage, 12 passages" in "\n".join(said)


def test_a_copy_has_the_label_of_the_passage_it_is_nearest_to() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 1]]
    vectors[4] = [0.0, 0.97, 0.0, np.sqrt(1 - 0.97**2)]
    documents = [Document("Good.", title="Title"), *(Document(text) for text in ("fine", "bad", "far", "fine, too"))]
    passages = Passages(documents, vectors)
    asked = Asked("q", [Judged("good", 2, None, 1), Judged("fine", 1, None, 2), Judged("bad", 0, None, 3)])
    untitled = np.asarray([0.6, 0.0, 0.8, 0.0], np.float32)  # nearer to another than to its titled copy
    labels = passages.labels(asked, [untitled, vectors[1], vectors[2]])
    assert labels.tolist() == [2, 1, 0, 0, 1]
    assert passages.holds("good", untitled)
    assert not passages.holds("better", untitled)
    assert not Passages([], np.zeros((0, 4), np.float32)).holds("good", untitled)


def test_the_command_and_python_train_the_same_kind_unless_told_otherwise() -> None:
    assert inspect.signature(train).parameters["kind"].default == Wanted([], Path("model")).kind == "query-map"


@pytest.mark.parametrize("kind", ["cross-encoder", "bi-encoder"])
def test_the_model_that_is_named_is_the_one_that_is_trained(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--pairs", str(data_of(tmp_path)), "--out", str(tmp_path / "model"), "--kind", kind]
    with pytest.raises(SystemExit):
        main([*arguments, "--model", "nobody's"])
    assert 'no model "nobody\'s"' in capsys.readouterr().err


def test_a_map_needs_a_blend_and_labels(tmp_path: Path) -> None:
    data, out = data_of(tmp_path), tmp_path / "model"
    with pytest.raises(InputError, match="needs a blend with a bi-encoder"):
        train_model(Wanted([data], out, kind="query-map", start="shortlist-minilm-l6"), Recipe())
    with pytest.raises(InputError, match="learns from labels only"):
        train_model(Wanted([data], out, kind="query-map", teachers=["lexical"]), Recipe())
