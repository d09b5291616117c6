"""From a model's name or files to its kind and options; by what they declare, never by a part of a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shortlist.catalogue import Entry, find_entry
from shortlist.errors import UnsupportedModelError
from shortlist.inference.hub import GRAPH_FILES, SETTINGS_FILES
from shortlist.inference.models import ModelFolder, find_model
from shortlist.inference.modules import read_json
from shortlist.scorers.registry import is_hosted

# Code of their own comes with them, and `inference/torch_layerwise.py` computes the same without it.
_RUN_WITHOUT_THEIR_CODE = {"LayerWiseMiniCPMForCausalLM"}
_SEQ2SEQ = {"T5ForConditionalGeneration", "MT5ForConditionalGeneration"}
# What `config_sentence_transformers.json` calls a model.
_SENTENCE_KINDS = {
    "ColBERT": "late-interaction",
    "MultiVectorEncoder": "late-interaction",
    "CrossEncoder": "cross-encoder",
}
_TEMPLATES = "'qwen3', 'bge-gemma', 'mxbai-v2' or 'bge-layerwise'"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model has to be loaded: the kind of scorer, its options, and what a user must know of its licence."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    licence_note: str = ""


def find_recipe(name: str, *, revision: str | None = None, **asked: Any) -> Recipe:
    """Return the recipe of the catalogue for a name in it, else what the model's own files declare.

    `asked` are the options the caller gives: `template` makes a language model a reranker,
    `trust_remote_code=True` lets a model's own code be run by an engine that can.
    Raises UnsupportedModelError that says how to load what cannot be told from the files, and as
    `find_model` does.
    """
    entry = None if Path(name).expanduser().is_dir() else find_entry(name)
    if entry is None or entry.unsupported:
        model = find_model(name, revision=revision, only=SETTINGS_FILES)
        entry = find_entry(str(read_json(model.path / "shortlist.json", dict).get("name", "")))
        if entry is None:
            if _needs_its_code(model, asked):  # a graph does without, where the repository has one
                model = find_model(name, revision=revision, only=(*SETTINGS_FILES, *GRAPH_FILES))
            return recipe_of_files(model, asked)
    return recipe_of_entry(entry)


def recipe_of_kind(kind: str, name: str) -> Recipe:
    """Return the recipe of a kind that the caller chose, with the catalogue's options where it is the same kind.

    The licence of a model's weights says nothing of a server that has a model of that name.
    """
    entry = None if is_hosted(kind) or Path(name).expanduser().is_dir() else find_entry(name)
    if entry is None:
        return Recipe(kind)
    return Recipe(kind, entry.options if entry.kind == kind else {}, entry.licence_note)


def recipe_of_entry(entry: Entry) -> Recipe:
    """Return what the catalogue says."""
    return Recipe(entry.kind, entry.options, entry.licence_note)


def recipe_of_files(model: ModelFolder, asked: Mapping[str, Any]) -> Recipe:
    """Decide by `config_sentence_transformers.json`, then by `architectures` in `config.json`."""
    config, where = model.config, f"{model.name} (architectures {_architectures(model.config)})"
    if _needs_its_code(model, asked):
        raise UnsupportedModelError(
            f"{where} needs Python code of its own (auto_map in config.json), which is not run unless you ask for it:"
            " give a folder with a ready-made ONNX file, or trust_remote_code=True with engine='torch'"
        )
    kind = _SENTENCE_KINDS.get(str(model.sentence_transformers.get("model_type")))
    if kind is None or _is_language_model(config):  # one of those is a CrossEncoder too, to sentence-transformers
        return Recipe(_kind_by_architecture(model, asked, where))
    return Recipe(kind)


def _kind_by_architecture(model: ModelFolder, asked: Mapping[str, Any], where: str) -> str:
    named = _architectures(model.config)
    if "HF_ColBERT" in named:
        return "late-interaction"
    if any(name.endswith("ForSequenceClassification") for name in named):
        return "cross-encoder"
    if _is_language_model(model.config):
        if asked.get("template"):
            return "causal-lm"
        raise UnsupportedModelError(
            f"{where} is a language model: its scores mean something only behind the prompt it was trained with."
            f" Name it: template={_TEMPLATES}"
        )
    if _SEQ2SEQ & set(named):
        return "seq2seq"
    if named and model.ready_made is None:
        raise UnsupportedModelError(
            f"{where} is no reranker: none of its classes gives a score. If it is a bi-encoder, kind='bi-encoder'"
            " scores by the cosine of its vectors"
        )
    return "cross-encoder"


def _needs_its_code(model: ModelFolder, asked: Mapping[str, Any]) -> bool:
    """Whether nothing can run a model but code of its own, which was not asked for."""
    own = model.config.get("auto_map") and not _RUN_WITHOUT_THEIR_CODE & set(_architectures(model.config))
    return bool(own) and model.ready_made is None and asked.get("trust_remote_code") is not True


def _is_language_model(config: Mapping[str, Any]) -> bool:
    return any(name.endswith("ForCausalLM") for name in _architectures(config))


def _architectures(config: Mapping[str, Any]) -> list[str]:
    named = config.get("architectures")
    return [str(name) for name in named] if isinstance(named, list) else []
