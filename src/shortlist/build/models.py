"""Names and settings become models."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from shortlist.build.generators import run_by
from shortlist.build.recipes import find_recipe, recipe_of_kind
from shortlist.errors import InputError
from shortlist.inference.biencoder import BiEncoder
from shortlist.inference.load import TORCH
from shortlist.inference.models import name_of
from shortlist.inference.modules import read_json
from shortlist.inference.session import Precision
from shortlist.protocols import Generator, LikelihoodModel, Reranker, Scorer
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine, read_map
from shortlist.scorers.lengths import check_length
from shortlist.scorers.licensed import Licensed
from shortlist.scorers.pointwise import Pointwise
from shortlist.scorers.registry import accepted, kinds, load_reranker, load_scorer, reranker_kinds
from shortlist.scorers.spelling import split_options
from shortlist.settings import Settings
from shortlist.weights import find_packaged

LanguageModel = Generator | LikelihoodModel

_BESIDE_A_NAME = {"api_key", "defaults", "encoder", "model", "name"}  # a name is shown, in logs and answers: no key
_OF_CROSS_ENCODERS_ONLY = {"max_length", "long_documents", "trust_remote_code"}


def load_encoder(settings: Settings) -> BiEncoder:
    """Load the bi-encoder that the settings name; an engine and a precision that need torch are the reranker's alone.

    It then takes its own: no bi-encoder runs on torch, the only one with fp16 and GPUs.
    """
    needs_torch = settings.engine == TORCH or settings.device.startswith("cuda")
    is_its_own = needs_torch or settings.precision == Precision.FP16.value
    return BiEncoder.load(
        settings.encoder,
        engine="auto" if is_its_own else settings.engine,
        precision=Precision.AUTO if is_its_own else settings.precision,
        threads=settings.threads or None,
    )


def options_of(settings: Settings, kind: str | None = None) -> dict[str, Any]:
    """Return what the settings say of how a model of a kind runs; what they leave to the model is left out."""
    server = {"server": settings.llm_server} if kind in reranker_kinds() and settings.llm_server != "none" else {}
    options = {"engine": settings.engine, "precision": settings.precision, "threads": settings.threads or None}
    chosen = {"device": settings.device, "long_documents": settings.long_documents}
    exact = {"exact": True} if settings.exact else {}
    return options | {name: value for name, value in chosen.items() if value != "auto"} | exact | server


def split_name(text: str) -> tuple[str | None, str, dict[str, Any]]:
    """Split `kind:name[option=value,...]`, where the kind is a registered one; a path stays whole.

    The kind may be an option, too. Raises InputError for what is no path and begins with a kind misspelt.
    """
    if os.path.exists(text):  # which a name too long for a file is not, either
        return None, text, {}
    whole, options = split_options(text)
    if wrong := _BESIDE_A_NAME & set(options):
        raise InputError(
            f"{whole!r}: {min(wrong)} cannot stand behind the name, which is shown to others; leave it out: keys come"
            " from the environment, or in Python beside the name"
        )
    if "kind" in options:
        return str(options.pop("kind")), whole, options
    kind, colon, rest = whole.partition(":")
    if colon and kind in kinds():
        return kind, rest, options
    near = difflib.get_close_matches(kind, kinds(), 1, 0.8) if colon and not Path(whole).exists() else []
    if near:
        raise InputError(f"no kind of reranker is called {kind!r}; did you mean {f'{near[0]}:{rest}'!r}?")
    return None, whole, options


def load_second_stage(
    model: str | os.PathLike[str] | LanguageModel,
    *,
    kind: str | None = None,
    encoder: BiEncoder | None = None,
    defaults: Mapping[str, Any] | None = None,
    **options: Any,
) -> Reranker:
    """Load a reranker: one of `reranker_kinds` by its own factory, else a scorer that `load_model` finds."""
    if kind in reranker_kinds():
        taken = accepted(kind, run_by(accepted(kind, defaults or {}), options))  # not all that take a server take a key
        _check_exact(str(model), kind, defaults, taken)
        return load_reranker(kind, model, **{**taken, **options})
    if not isinstance(model, str | os.PathLike):
        raise InputError(
            f"a loaded language model needs a kind that prompts it ({', '.join(reranker_kinds())}); got {kind!r}"
        )
    return Pointwise(load_model(model, kind=kind, encoder=encoder, defaults=defaults, **options))


def load_model(
    name: str | os.PathLike[str],
    *,
    kind: str | None = None,
    encoder: BiEncoder | None = None,
    defaults: Mapping[str, Any] | None = None,
    **options: Any,
) -> Scorer:
    """Load a scorer by name: a packaged one by its card, others by the catalogue or by what their files declare.

    With a `kind` the files are not asked what they are. `options` win over `defaults`, of which a
    kind is given only what it takes (a server's model has no threads), and these over the
    catalogue's. `long_documents="auto"` leaves it to the model. A packaged blend is put together
    from its parts. `encoder` is used for its bi-encoder when it is the same one, so that it is not
    loaded twice.
    """
    name = name_of(name)
    if kind in reranker_kinds():
        raise InputError(f"{kind}:{name} reranks candidates for a query; here a model is wanted that scores each pair")
    if options.get("long_documents") == "auto":
        options = {key: value for key, value in options.items() if key != "long_documents"}
    given = {**(defaults or {}), **options}
    check_length(given.get("max_length"))
    if parts := blend_parts(name, kind=kind):
        # at once: each opens a session of its own, which is most of a cold start
        with ThreadPoolExecutor(len(parts), "shortlist-load") as pool:
            scorers = list(pool.map(lambda part: load_part(part, encoder, given), parts))
        return Blend([(scorer, float(part["weight"])) for scorer, part in zip(scorers, parts, strict=True)])
    packaged = find_packaged(name)
    kind = kind or (packaged.card["kind"] if packaged is not None else None)
    if kind == "bi-encoder":
        return load_part({"kind": kind, "model": name}, encoder, given)
    recipe = find_recipe(name, **options) if kind is None else recipe_of_kind(kind, name)
    taken = accepted(recipe.kind, defaults or {})
    _check_exact(name, recipe.kind, defaults, taken)
    scorer = load_scorer(recipe.kind, name, **{**recipe.options, **taken, **options})
    return Licensed(scorer, recipe.licence_note) if recipe.licence_note else scorer


def _check_exact(name: str, kind: str, defaults: Mapping[str, Any] | None, taken: Mapping[str, Any]) -> None:
    if (defaults or {}).get("exact") and "exact" not in taken:
        raise InputError(f"{name} is of the kind {kind!r}, whose scores cannot be asked to be exact")


def blend_parts(name: str, *, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the parts that a blend's card names, packaged or of `shortlist train`; of another model, none."""
    if kind not in {None, "blend"}:
        return []
    name = name_of(name)
    packaged = find_packaged(name)
    if packaged is not None:
        return [dict(part) for part in packaged.card["parts"]] if packaged.card["kind"] == "blend" else []
    trained = read_json(Path(name) / "card.json", dict) if Path(name).is_dir() else {}
    parts = trained["parts"] if trained.get("kind") == "blend" else []
    return [_placed(part, name) for part in parts]


def _placed(part: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return a part whose files are found: those that the card names stand in its folder."""
    found = {**part, "model": folder if part["model"] == "." else part["model"]}
    return found | {"query_map": str(Path(folder) / part["query_map"])} if "query_map" in part else found


def load_part(part: Mapping[str, Any], encoder: BiEncoder | None, options: Mapping[str, Any]) -> Scorer:
    """Load one of `blend_parts`, with those options that it takes."""
    if part["kind"] != "bi-encoder":
        taken = options if part["kind"] == "cross-encoder" else accepted(part["kind"], options)
        return load_scorer(part["kind"], part["model"], **taken)
    query_map = read_map(Path(part["query_map"])) if "query_map" in part else None
    is_open = encoder is not None and encoder.fingerprint.startswith(f"{part['model']}@")
    if encoder is not None and is_open and not options.get("exact"):
        return Cosine(encoder, query_map=query_map)
    taken = {name: value for name, value in options.items() if name not in _OF_CROSS_ENCODERS_ONLY}
    return load_scorer(part["kind"], part["model"], query_map=query_map, **taken)
