"""The shape of sentence-transformers' CrossEncoder, so that switching is one import; without torch.

    from shortlist.integrations.sentence_transformers import CrossEncoder
    CrossEncoder("shortlist-l6").rank("how tall?", ["330 m", "of iron"], return_documents=True)

https://sbert.net/docs/package_reference/cross_encoder/cross_encoder.html (version 6). Scores are raw unless an
`activation_fn` is given; tensors are not returned.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.build.models import load_model
from shortlist.errors import InputError
from shortlist.integrations.rows import pair_scores
from shortlist.settings import DEFAULT_MODEL
from shortlist.types.ranking import descending

_ENGINES: dict[str, dict[str, str]] = {
    "torch": {},  # theirs when nothing is said, and so ours
    "onnx": {"engine": "onnxruntime"},
    "openvino": {"engine": "openvino"},
}
# What is theirs and has no like here, with what there is instead. Said with a warning:
_UNUSED = {
    "cache_folder": "HF_HOME names the folder that models of the hub are kept in",
    "model_card_data": "`shortlist train` writes the card of what it trains",
}
# Refused, since scores would be others than asked for, or a file would come from elsewhere:
_REFUSED = {
    "modules": "give a folder that `save_pretrained` wrote",
    "prompts": "write what stands before a text into the text",
    "default_prompt_name": "write what stands before a text into the text",
    "local_files_only": "set HF_HUB_OFFLINE=1",
    "token": "set HF_TOKEN",
    "model_kwargs": "precision= and engine= say how a model is run",
    "processor_kwargs": "max_length= says how much is read",
    "config_kwargs": "change the folder's config.json",
    "num_labels": "it is for training, which is `shortlist train`",
    "keep_in_fp32_modules": "precision='fp32' keeps all",
}
_AS_IT_IS = {"token": True, "num_labels": 1}  # True is the token that is stored
_REFUSED_OF_CALLS = {
    "prompt_name": "write what stands before a text into the text",
    "prompt": "write what stands before a text into the text",
    "device": "the device is named when the model is loaded",
    "pool": "one process keeps all cores busy",
}


class CrossEncoder:
    """Scores pairs of texts; other options of the model are those of `Reranker.load`, and sentence-transformers' own.

    `backend` names the engine. Of theirs, those that there is nothing like are warned of where they change nothing,
    and refused with an InputError that says what there is instead where they would.
    """

    __slots__ = ("_activation_fn", "_scorer")  # so that `model.max_length = 512` is an error, and not without effect

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        activation_fn: Callable[[Any], Any] | None = None,
        backend: str = "torch",
        **options: Any,
    ) -> None:
        if backend not in _ENGINES:
            raise InputError(f"backend must be one of {', '.join(_ENGINES)}; got {backend!r}")
        for name, instead in _UNUSED.items():
            if options.pop(name, None) is not None:
                warnings.warn(f"{name} is not used: {instead}", stacklevel=2)
        self._activation_fn = activation_fn
        self._scorer = load_model(model_name_or_path, **{**_ENGINES[backend], **_own(options, _REFUSED)})

    def predict(
        self,
        inputs: Sequence[Any],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[[Any], Any] | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return one score a pair, `[pairs]`, or one score for one pair; a list of numbers without `convert_to_numpy`.

        `batch_size`, `show_progress_bar`, `num_workers` and `chunk_size` are taken and not needed, and so is
        `apply_softmax`: of one score a pair there is nothing to share out. Raises InputError for what is no pair of
        texts, and for an option that is not done here.
        """
        unknown = sorted(set(_own(kwargs, _REFUSED_OF_CALLS)) - {"num_workers", "chunk_size", "apply_softmax"})
        if unknown:
            raise InputError(f"predict and rank have no option {unknown[0]!r}")
        if convert_to_tensor:
            raise InputError("there is no torch here to make tensors with; take numpy, and torch.from_numpy")
        is_one = bool(len(inputs)) and isinstance(inputs[0], str)
        pairs = [_pair(pair, place) for place, pair in enumerate([inputs] if is_one else inputs)]
        scores = pair_scores(self._scorer, pairs)
        values = _activated(scores, activation_fn or self._activation_fn)
        found = values if convert_to_numpy else values.tolist()
        return found[0] if is_one else found

    def rank(
        self, query: str, documents: Sequence[str], top_k: int | None = None, return_documents: bool = False, **how: Any
    ) -> list[dict[str, Any]]:
        """Return `{"corpus_id", "score"}` a document, best first, with its `text` where `return_documents` says so."""
        scores = self.predict([(query, document) for document in documents], **how)
        best = descending(scores)[:top_k] if len(documents) else []
        texts = [{"text": documents[place]} if return_documents else {} for place in best]
        return [{"corpus_id": p, "score": float(scores[p]), **text} for p, text in zip(best, texts, strict=True)]


def _own(options: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """Return options without theirs that say nothing; raises InputError for one of theirs that says something."""
    for name, instead in refused.items():
        if options.get(name) and options[name] != _AS_IT_IS.get(name):
            raise InputError(f"{name} is not taken here: {instead}")
    return {name: value for name, value in options.items() if name not in refused and value is not None}


def _activated(scores: npt.NDArray[np.float32], activation_fn: Callable[[Any], Any] | None) -> npt.NDArray[Any]:
    if activation_fn is None:
        return scores
    home = str(getattr(activation_fn, "__module__", ""))
    if hasattr(activation_fn, "forward") or home.partition(".")[0] == "torch":  # these take tensors only
        return np.asarray(activation_fn(require("torch", extra="torch").from_numpy(scores)))
    return np.asarray(activation_fn(scores))


def _pair(pair: Any, place: int) -> tuple[str, str]:
    if len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise InputError(f"pair {place} is no pair of two texts: {pair!r:.80}")
    return pair[0], pair[1]
