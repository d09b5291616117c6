"""A model's name or files decide how it is loaded; a part of its name never does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shortlist import Reranker
from shortlist.build.models import load_model
from shortlist.build.recipes import find_recipe, recipe_of_files
from shortlist.catalogue import find_entry, read_catalogue
from shortlist.errors import ModelNotFoundError, UnsupportedModelError
from shortlist.inference.hub import stored_folder
from shortlist.inference.models import ModelFolder, find_model
from shortlist.scorers import registry
from shortlist.types import Document, Query, ScoreKind, Scores, Step

from .tiny import write_classifier, write_colbert, write_json, write_modules


@pytest.fixture(autouse=True)
def nothing_outside(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def model(tmp_path: Path, *architectures: str, name: str = "someone/model", **config: Any) -> ModelFolder:
    return ModelFolder(name, tmp_path, {"architectures": list(architectures), **config})


@pytest.mark.parametrize(
    ("architecture", "asked", "kind"),
    [
        ("BertForSequenceClassification", {}, "cross-encoder"),
        ("DebertaV2ForSequenceClassification", {}, "cross-encoder"),
        ("Qwen3ForCausalLM", {"template": "qwen3"}, "causal-lm"),
        ("GemmaForCausalLM", {"template": "bge-gemma"}, "causal-lm"),
        ("Qwen3ForSequenceClassification", {}, "cross-encoder"),
        ("T5ForConditionalGeneration", {}, "seq2seq"),
        ("MT5ForConditionalGeneration", {}, "seq2seq"),
        ("HF_ColBERT", {}, "late-interaction"),
    ],
)
def test_the_architecture_decides_the_kind(
    architecture: str, asked: Mapping[str, Any], kind: str, tmp_path: Path
) -> None:
    assert recipe_of_files(model(tmp_path, architecture), asked).kind == kind
    # names that speak of another model change nothing
    for name in ("me/colbert-t5-qwen3-reranker", "bge-gemma-cross-encoder", "x/jina-colbert-v2-mine"):
        assert recipe_of_files(model(tmp_path, architecture, name=name), asked).kind == kind


@pytest.mark.parametrize(
    ("model_type", "kind"),
    [
        ("CrossEncoder", "cross-encoder"),
        ("ColBERT", "late-interaction"),
        ("MultiVectorEncoder", "late-interaction"),
    ],
)
def test_an_encoder_with_modules_is_what_sentence_transformers_calls_it(
    model_type: str, kind: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "config_sentence_transformers.json", {"model_type": model_type})
    assert recipe_of_files(model(tmp_path, "ModernBertModel"), {}).kind == kind


def test_a_language_model_needs_its_template_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"Qwen3ForCausalLM.*template='qwen3', 'bge-gemma'"):
        recipe_of_files(model(tmp_path, "Qwen3ForCausalLM", name="me/Qwen3-Reranker-tuned"), {})


def test_a_bi_encoder_is_told_how_it_can_be_used(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"BertModel.*is no reranker.*kind='bi-encoder'"):
        recipe_of_files(model(tmp_path, "BertModel"), {})


def test_code_of_its_own_is_not_run_unless_asked_for(tmp_path: Path) -> None:
    own = model(tmp_path, "XForSequenceClassification", auto_map={"AutoModel": "modeling.X"})
    with pytest.raises(UnsupportedModelError, match=r"trust_remote_code=True with engine='torch'"):
        recipe_of_files(own, {})
    with pytest.raises(UnsupportedModelError):
        recipe_of_files(own, {"trust_remote_code": "yes"})
    assert recipe_of_files(own, {"trust_remote_code": True}).kind == "cross-encoder"
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"a graph needs no code")
    assert recipe_of_files(own, {}).kind == "cross-encoder"


def test_the_layer_wise_model_needs_its_template_and_not_its_code(tmp_path: Path) -> None:
    own = model(tmp_path, "LayerWiseMiniCPMForCausalLM", auto_map={"AutoModelForCausalLM": "modeling.X"})
    assert recipe_of_files(own, {"template": "bge-layerwise"}).kind == "causal-lm"
    with pytest.raises(UnsupportedModelError, match="Name it: template="):
        recipe_of_files(own, {})


@pytest.mark.parametrize("entry", [e for e in read_catalogue() if not e.unsupported], ids=lambda e: e.name)
def test_every_name_in_the_catalogue_is_loaded_as_it_says(entry: Any) -> None:
    for name in (*entry.names, entry.name.upper()):
        recipe = find_recipe(name)
        assert (recipe.kind, recipe.options) == (entry.kind, entry.options)
    assert (recipe.licence_note == "") == (entry.commercial and entry.licence != "not stated")


@pytest.mark.parametrize("entry", [e for e in read_catalogue() if e.unsupported], ids=lambda e: e.name)
def test_known_models_that_cannot_run_say_why(entry: Any) -> None:
    for load in (find_recipe, find_model):
        with pytest.raises(UnsupportedModelError, match=f"{entry.name} is known but cannot be run"):
            load(entry.hub)


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match=r"nearest: bge-reranker-v2-m3"):
        find_recipe("bge-reranker-v2m3")
    with pytest.raises(ModelNotFoundError, match=r"nearest: shortlist-minilm-l6"):
        load_model("shortlist-minilm-16")
    with pytest.raises(ModelNotFoundError, match=r"catalogue.*lists it\), nor a folder, nor a hub repository[^;]*$"):
        find_recipe("zzzz")


def test_a_folder_goes_before_a_name_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_colbert(tmp_path / "bge-reranker-base")
    assert find_recipe("bge-reranker-base").kind == "late-interaction"
    assert find_recipe("BAAI/bge-reranker-base").kind == "cross-encoder"


def test_a_folder_that_was_fetched_by_name_keeps_its_recipe(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "m")
    assert find_recipe(str(folder)).options == {}
    write_json(folder / "shortlist.json", {"name": "jina-reranker-v2-base-multilingual"})
    recipe = find_recipe(str(folder))
    assert recipe.options == {"long_documents": "passages-80", "max_length": 1024}
    assert "NOT for commercial use" in recipe.licence_note


def test_what_is_stored_here_is_found_by_its_name_on_the_hub() -> None:
    entry = find_entry("ms-marco-MiniLM-L6-v2")
    assert entry is not None
    write_classifier(stored_folder(entry.hub))
    write_modules(stored_folder("someone/else"))
    assert find_model(entry.aliases[0]).path == stored_folder(entry.hub)
    assert find_recipe("someone/else").kind == "cross-encoder"


class Seen:
    """A scorer kind that remembers how it was loaded."""

    fingerprint = "seen"

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        self.model, self.options = model, options

    @classmethod
    def load(cls, model: str, **options: Any) -> Seen:
        return cls(model, options)

    def score(self, query: Query, documents: Any) -> Scores:
        import numpy as np

        return Scores(np.zeros(len(documents), np.float32), ScoreKind.LOGIT, Step("seen", degradations=("one",)))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("causal-lm", "seq2seq", "cross-encoder"):
        monkeypatch.setitem(registry.SCORERS, kind, f"{__name__}:Seen.load")


@pytest.mark.usefixtures("seen")
def test_the_callers_options_win_over_the_catalogues() -> None:
    loaded = load_model("Qwen3-Reranker-0.6B", instruction="find code")
    assert isinstance(loaded, Seen)
    assert loaded.options == {"template": "qwen3", "instruction": "find code"}
    again = load_model("Qwen/Qwen3-Reranker-0.6B", kind="causal-lm", template="mxbai-v2")
    assert isinstance(again, Seen)
    assert again.options == {"template": "mxbai-v2"}


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("given", [{}, {"long_documents": "auto"}])
def test_the_model_chooses_how_long_documents_are_read_unless_the_caller_does(given: dict[str, Any]) -> None:
    plain = load_model("bge-reranker-v2-m3", **given)
    assert isinstance(plain, Seen)
    assert plain.options == {}
    ranked = Reranker("jina-reranker-v2-base-multilingual", **given).rank("q", [Document("a", "a")])
    assert ranked.trace.steps[0].stage == "seen"


@pytest.mark.usefixtures("seen")
def test_a_licence_that_forbids_commerce_is_said_with_every_ranking() -> None:
    for name in ("jinaai/jina-reranker-v2-base-multilingual", "jina-reranker-v2-base-multilingual"):
        trace = Reranker(name).rank("q", ["a", "b"]).trace
        assert trace.degradations == (
            "seen: jina-reranker-v2-base-multilingual is licensed CC-BY-NC-4.0: NOT for commercial use",
            "seen: one",
        )
        assert "CC-BY-NC-4.0" in trace.steps[0].facts["licence"]
    assert "no licence" in Reranker("monot5-3b-msmarco").rank("q", ["a"]).trace.degradations[0]
    assert Reranker("bge-reranker-v2-m3").rank("q", ["a"]).trace.degradations == ("seen: one",)


def test_a_changed_config_is_another_model_and_takes_no_graph_of_before(tmp_path: Path) -> None:
    pytest.importorskip("onnx")

    def score(**changes: Any) -> float:
        folder = write_classifier(tmp_path / "m", **changes)
        scorer = load_model(str(folder), engine="onnxruntime", precision="fp32")
        return float(scorer.score(Query("how tall is the tower ?"), [Document("330 metres")]).values[0])

    before = score()
    assert abs(score(layer_norm_eps=0.5) - before) > 1e-3
    assert score() == before
