"""From a model's name to its files: packaged, a folder, or a hub repository."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from shortlist.catalogue import find_entry, known_prompts, nearest_names
from shortlist.errors import InputError, MissingExtraError, ModelNotFoundError, UnsupportedModelError
from shortlist.inference.complete import WEIGHTS, check_complete
from shortlist.inference.hub import CODE_FILES, MODEL_FILES, OWN_FILES, fetch, is_hub_id, stored_folder
from shortlist.inference.identity import content_hash
from shortlist.inference.modules import Module, read_json, read_modules
from shortlist.inference.tokens import Tokenizer
from shortlist.weights import extra_of, find_packaged, packaged_models

_READY_MADE = ("model.onnx", "onnx/model.onnx", "openvino_model.xml", "openvino/openvino_model.xml")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's files on disk, with its `config.json` and the name it was asked for by.

    `checksums` are SHA-256 by file, of those that were verified.
    """

    name: str
    path: Path
    config: Mapping[str, Any]
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready_made(self) -> Path | None:
        """The ONNX or OpenVINO file that is already there, or None."""
        return next((self.path / file for file in _READY_MADE if (self.path / file).is_file()), None)

    @property
    def max_length(self) -> int:
        """The longest sequence in tokens, special tokens included."""
        limits = [self._json(file).get(key) for file, key in _LIMITS]
        positions = int(self.config.get("max_position_embeddings", 512))
        if self.config.get("model_type") in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
            padding = self.config.get("pad_token_id")
            positions -= 2 if padding is None else int(padding) + 1  # their positions start behind the padding id
        return min([positions, *(int(limit) for limit in limits if isinstance(limit, int) and limit > 0)])

    @property
    def pad_id(self) -> int:
        """The token id that fills a batch: the configuration's, else the tokenizer's padding token, else 0."""
        declared = self.config.get("pad_token_id")
        if isinstance(declared, int) and declared >= 0:  # Llama's first configurations say -1 for none
            return declared
        tokenizer = self._json("tokenizer_config.json")
        name = tokenizer.get("pad_token")
        name = name.get("content") if isinstance(name, dict) else name
        named = (tokenizer.get("added_tokens_decoder") or {}).items()
        return next((int(i) for i, token in named if name is not None and token.get("content") == name), 0)

    @property
    def has_token_types(self) -> bool:
        """Whether token types tell the texts of a pair apart: not where the tokenizer names its inputs without them."""
        named = self._json("tokenizer_config.json").get("model_input_names")
        return not isinstance(named, list) or "token_type_ids" in named

    def load_tokenizer(self) -> Tokenizer:
        """Read the folder's tokenizer, to be used as the folder says; raises as `Tokenizer.load` does."""
        return Tokenizer.load(self.path / "tokenizer.json", pad_id=self.pad_id, has_types=self.has_token_types)

    @property
    def modules(self) -> tuple[Module, ...]:
        """The modules that sentence-transformers chains, the transformer first; none in a folder of transformers'."""
        return read_modules(self.path)

    @property
    def vector_size(self) -> int:
        """The length of the vector that a bi-encoder gives: its last Dense module's, else that of a hidden state.

        DistilBERT's configuration calls the latter `dim`.
        """
        dense = self._last_dense
        hidden = self.config.get("hidden_size", self.config.get("dim", 768))
        return int(dense.settings.get("out_features", 0)) if dense else int(hidden)

    @property
    def prompts(self) -> Mapping[str, str]:
        """What stands before a text by its role, as sentence-transformers stores it ("query", "passage").

        Where the files do not say it, it is what the catalogue knows of this name.
        """
        said = {str(role): str(text) for role, text in (self.sentence_transformers.get("prompts") or {}).items()}
        return said if any(said.values()) else known_prompts(self.name)

    @property
    def default_prompt(self) -> str:
        """What sentence-transformers puts before every query of a cross-encoder; empty where the files name none."""
        said = self.sentence_transformers
        return str((said.get("prompts") or {}).get(said.get("default_prompt_name")) or "")

    @property
    def long_documents(self) -> str:
        """What a cross-encoder's card says of how it reads long documents; "head" where it says nothing."""
        return str(self._json("card.json").get("long_documents", "head"))

    @property
    def is_asked_in_chat(self) -> bool:
        """Whether sentence-transformers puts a pair through the tokenizer's chat template."""
        return "message" in (self._json("sentence_bert_config.json").get("modality_config") or {})

    @property
    def sentence_transformers(self) -> Mapping[str, Any]:
        """What `config_sentence_transformers.json` says; empty when there is none."""
        return self._json("config_sentence_transformers.json")

    @property
    def activation(self) -> str:
        """The class that the model's authors apply to a logit, such as "Sigmoid"; empty when they do not say."""
        own = self.config.get("sentence_transformers")
        named = (
            self.sentence_transformers.get("activation_fn")
            or (own.get("activation_fn") if isinstance(own, dict) else None)
            or self.config.get("sbert_ce_default_activation_function")
            or ""
        )
        return str(named).rpartition(".")[2]

    @property
    def labels(self) -> int:
        """How many labels a classification head has, by the configuration."""
        if dense := self._last_dense:
            return int(dense.settings.get("out_features", 1))
        if "num_labels" in self.config:
            return int(self.config["num_labels"])
        return len(self.config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"})

    @property
    def _last_dense(self) -> Module | None:
        return next((module for module in reversed(self.modules) if module.kind == "Dense"), None)

    def fingerprint(self) -> str:
        """Identify the model by name and a hash of its weights and its tokenizer; see `content_hash`.

        What `config.json` says of loose weights (windows, epsilons, heads) is part of it; a ready-made graph holds it.
        Files that are never used (quantised variants, pickles beside safetensors) are not read.
        """
        digest = hashlib.sha256()
        for module in self.modules:  # the same weights behind another pooling are another model
            digest.update(json.dumps([module.kind, dict(module.settings)], sort_keys=True).encode())
        if not self.has_token_types:
            digest.update(b"no token types")
        files = [file for file in self.path.rglob("*") if self._counts(file) and file.is_file()]
        if any(file.suffix in {".safetensors", ".bin"} for file in files):
            digest.update(json.dumps(dict(self.config), sort_keys=True).encode())
        for file in sorted(files):
            place = file.relative_to(self.path).as_posix()
            digest.update(f"{place}:{self.checksums.get(place) or content_hash(file)};".encode())
        return f"{self.path.name if Path(self.name).is_dir() else self.name}@{digest.hexdigest()[:12]}"

    def _counts(self, file: Path) -> bool:
        pickles = () if (self.path / "model.safetensors").is_file() else ("pytorch_model*.bin",)
        place = file.relative_to(self.path).as_posix()
        is_used = any(fnmatch(place, pattern) for pattern in (*MODEL_FILES, *OWN_FILES, *pickles))
        return is_used and (file.suffix in WEIGHTS or file.name == "tokenizer.json")

    def _json(self, file: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = read_json(self.path / file, dict)
        return content


_LIMITS = (
    ("tokenizer_config.json", "model_max_length"),
    ("sentence_bert_config.json", "max_seq_length"),
    ("shortlist.json", "max_length"),
)


def name_of(model: str | os.PathLike[str]) -> str:
    """Return a model's name, or its folder's path, as text: of what was unpacked under a name of its own, its path.

    Raises InputError for an empty one.
    """
    name = os.fspath(model)
    if not name:
        raise InputError(
            "a model's name is empty; give one that `shortlist models` lists, a folder, or a repository 'owner/name'"
        )
    folder, stored = os.path.expanduser(name), str(stored_folder(name))  # os.path takes any text for a name
    is_known = os.path.isdir(folder) or find_packaged(name) is not None or find_entry(name) is not None
    if not is_known and "/" not in name and os.path.isdir(stored):
        return stored
    return folder if name.startswith("~") else name


def find_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    only: Sequence[str] = MODEL_FILES,
    with_code: bool = False,
) -> ModelFolder:
    """Find a model: packaged, a folder with `config.json`, a name of the catalogue, or `owner/name` on the hub.

    A packaged model's checksums are verified, and other folders are checked for files that are
    half-written or truncated. What was unpacked from a bundle is taken before the hub is asked.
    `only` names what is fetched, by patterns (`hub.SETTINGS_FILES`); `with_code` fetches the Python files too, also
    those that `auto_map` says are in another repository. Raises ModelNotFoundError that lists what there is,
    UnsupportedModelError for a known model that cannot be run, CorruptModelError for unreadable files.
    """
    name = name_of(name)
    packaged = find_packaged(name)
    if packaged is not None:
        packaged.verify()
        config = read_json(packaged.folder / "config.json", dict)
        return ModelFolder(name, packaged.folder, config, packaged.card["sha256"])
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _opened(name, folder, with_code)
    hub_id, pinned = on_hub(name, revision=revision)
    stored = stored_folder(hub_id)
    if stored.is_dir():
        return _opened(hub_id, stored, with_code)
    files = [*only, *CODE_FILES] if with_code else only
    return _opened(hub_id, fetch(hub_id, revision=pinned, files=files), with_code)


def on_hub(name: str, *, revision: str | None = None) -> tuple[str, str | None]:
    """Return a model's `owner/name` on the hub and the commit to fetch, which may be left to the hub.

    Raises ModelNotFoundError when the name is neither of the catalogue nor of that form,
    MissingExtraError for one that comes with an extra, and UnsupportedModelError for a known model that cannot be run.
    """
    entry = find_entry(name)
    if entry is None:
        if extra := extra_of(name):
            raise MissingExtraError(
                f"{name} is a package of its own, which is not installed. Install it with: pip install"
                f" 'shortlist[{extra}]'"
            )
        if not is_hub_id(name):
            raise _unknown(name)
        return name, revision
    if entry.unsupported:
        raise UnsupportedModelError(f"{entry.name} is known but cannot be run: {entry.unsupported}")
    return entry.hub, revision or entry.revision or None


def _opened(name: str, folder: Path, with_code: bool) -> ModelFolder:
    if (adapter := folder / "adapter_config.json").is_file():
        raise UnsupportedModelError(
            f"{folder} holds an adapter of {read_json(adapter, dict).get('base_model_name_or_path')}, which is not"
            " applied here; merge it (peft: merge_and_unload), save the whole model with its tokenizer, and give that"
        )
    if not (folder / "config.json").is_file():
        raise ModelNotFoundError(f"{folder} has no config.json, so it is no model folder")
    check_complete(folder)
    config = read_json(folder / "config.json", dict)
    named = config.get("auto_map") if with_code else None
    classes = [one for one in (named or {}).values() if isinstance(one, str)]  # of tokenizers there are lists
    for repository in sorted({one.partition("--")[0] for one in classes if "--" in one}):
        fetch(repository, files=CODE_FILES)  # transformers then finds it in the hub's cache
    return ModelFolder(name, folder, config)


def _unknown(name: str) -> ModelNotFoundError:
    packaged = [model.name for model in packaged_models()]
    near = nearest_names(name, packaged)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return ModelNotFoundError(
        f"no model {name!r}: it is neither packaged ({', '.join(packaged)}), nor in the catalogue"
        f" (`shortlist models` lists it), nor a folder, nor a hub repository 'owner/name'{hint}"
    )
