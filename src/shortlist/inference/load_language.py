"""From a language model's name to an engine that gives the logits of a few answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shortlist.errors import InputError
from shortlist.inference.load import TORCH, LoadedModel, Runtime, loaded_model, require_torch
from shortlist.inference.models import ModelFolder, find_model
from shortlist.inference.needs import check_needs
from shortlist.inference.session import Session
from shortlist.inference.tokens import Ids, Tokenizer


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A running engine whose columns are answers; `after` gives a session that has read a prefix, where it can."""

    loaded: LoadedModel
    after: Callable[[Ids], Session] | None = None


def load_causal(
    name: str,
    runtime: Runtime,
    *,
    answers: Sequence[str] = (),
    cutoff_layer: int | None = None,
    revision: str | None = None,
) -> LanguageModel:
    """Load a decoder whose columns are the tokens `answers`, or the one score head of `cutoff_layer`.

    Runs on torch, which "auto" means here. Raises what `load_engine` raises, and UnsupportedModelError
    for a tokenizer without one of the answers.
    """
    folder, tokenizer = _opened(name, revision, runtime)
    if cutoff_layer is not None:
        from shortlist.inference.torch_layerwise import load_layerwise

        session = load_layerwise(folder, cutoff_layer=cutoff_layer, precision=runtime.precision, device=runtime.device)
    else:
        from shortlist.inference.torch_causal import CausalSession

        session = CausalSession.load(
            folder, answers=_ids(tokenizer, answers), precision=runtime.precision, device=runtime.device
        )
    loaded = loaded_model(tokenizer, session, folder, folder.fingerprint())
    return LanguageModel(loaded, session.after if session.shares_prefix else None)


def load_seq2seq(name: str, runtime: Runtime, *, answers: Sequence[str], revision: str | None = None) -> LanguageModel:
    """Load an encoder-decoder whose columns are the tokens `answers`; see `load_causal`."""
    folder, tokenizer = _opened(name, revision, runtime)
    from shortlist.inference.torch_seq2seq import Seq2SeqSession

    session = Seq2SeqSession.load(
        folder, answers=_ids(tokenizer, answers), precision=runtime.precision, device=runtime.device
    )
    return LanguageModel(loaded_model(tokenizer, session, folder, folder.fingerprint()))


def _opened(name: str, revision: str | None, runtime: Runtime) -> tuple[ModelFolder, Tokenizer]:
    if runtime.engine not in {"auto", TORCH}:
        raise InputError(f"a language model runs on engine='torch' (or 'auto'), not on {runtime.engine!r}")
    check_needs(name, engine=TORCH)
    folder = find_model(name, revision=revision)
    tokenizer = folder.load_tokenizer()
    require_torch(runtime.threads)
    return folder, tokenizer


def _ids(tokenizer: Tokenizer, answers: Sequence[str]) -> list[int]:
    return [tokenizer.token_id(answer) for answer in answers]
