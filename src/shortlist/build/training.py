"""A user's pairs, index and model become a trained model in a folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from shortlist._optional import require
from shortlist.build.models import blend_parts, load_encoder, load_model, load_part
from shortlist.build.named import Named
from shortlist.build.query_map import FILE as MAP
from shortlist.build.query_map import train_map
from shortlist.errors import InputError
from shortlist.inference.models import find_model, name_of
from shortlist.inference.processor import processor_features
from shortlist.protocols import Scorer
from shortlist.retrieval import BM25, Dense, Index
from shortlist.scorers.pointwise import Pointwise
from shortlist.settings import Settings
from shortlist.training.blending import with_offset
from shortlist.training.building import Building, groups_of
from shortlist.training.card import clear, write_card
from shortlist.training.examples import Examples, folded, listed, read_examples
from shortlist.training.groups import Group
from shortlist.training.negatives import Filter, Miner, Window
from shortlist.training.recipe import Recipe
from shortlist.training.teaching import Teacher, taught_by

if TYPE_CHECKING:
    from shortlist.training.train import Moment

KINDS = ("query-map", "cross-encoder", "bi-encoder")
Tell = Callable[[str], None]

_MOST_HELD_OUT = 400  # queries


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be trained on what.

    `start`: the model to begin with; of a blend, its part of the kind that is trained. A `query-map`
    is fitted for a blend's bi-encoder (`training.query_map`) and takes none of the dials but the seed. `ranks`:
    candidates from the first to the last of these ranks become negatives, `filter_share` as in
    `training.negatives.Filter` (1 keeps nearly all). `dev_share`: of the queries, held out.
    """

    pairs: Sequence[Path]
    out: Path
    kind: str = KINDS[0]
    start: str = ""
    index: Path | None = None
    evaluation: Sequence[Path] = ()
    teachers: Sequence[str] = ()
    building: Building = field(default_factory=Building)
    ranks: tuple[int, int] = (1, 50)
    filter_share: float = 0.9
    dev_share: float = 0.1
    epochs: float = 3.0
    command: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """The folder, what was read and warned of, and the card's content."""

    folder: Path
    warnings: Sequence[str]
    card: Mapping[str, Any]


def has_bf16() -> bool:
    """Whether this processor multiplies in bf16."""
    return bool(processor_features() & {"amx_bf16", "avx512_bf16"})


def train_model(
    wanted: Wanted,
    recipe: Recipe,
    *,
    settings: Settings | None = None,
    watch: Callable[[Moment], None] | None = None,
    tell: Tell | None = None,
) -> Trained:
    """Read and check pairs, mine negatives, train, export, and write a card; see `shortlist train`.

    With `recipe.steps` 0 they follow from `wanted.epochs`. Raises InputError for data that cannot
    be used, MissingExtraError without the extra `train`, and as loading the models does.
    """
    if wanted.kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}; got {wanted.kind!r}")
    recipe.check()
    for module in ("torch", "transformers", "safetensors", "onnx"):
        require(module, extra="train")
    chosen, said = settings or Settings(), tell or (lambda text: None)
    examples = read_examples(wanted.pairs, evaluation=wanted.evaluation)
    for warning in examples.warnings:
        said(f"warning: {warning}")
    said(f"{examples.rows} rows, {len(examples.asked)} queries")
    if wanted.kind == "query-map":
        return _mapped(wanted, examples, chosen, recipe.seed, said)
    trained, others = _parts(wanted, chosen)
    from shortlist.training.running import opened, run  # needs torch, which a base install has not

    # opened first: what cannot be trained is refused before negatives are mined and teachers asked
    with opened(trained, recipe, is_pair=wanted.kind == "cross-encoder") as (student, start):
        groups = _groups(examples, wanted, chosen, trained, others, recipe.seed, said)
        dials = _budgeted(recipe, groups, wanted)
        figures, engines = run(student, groups, start, wanted.out, dials, watch=watch)
    told = {"groups": len(groups), "teachers": list(wanted.teachers)}
    done = asdict(dials) | {name: round(value, 4) for name, value in figures.items()}
    own = [{"kind": "cross-encoder", "model": ".", "weight": 1.0}] if others else []
    card = _card(wanted, trained, [*own, *_with_maps(others, wanted.out)], examples, told)
    if wanted.kind == "cross-encoder" and not recipe.exits:  # `Pruned` reads documents from their head alone
        card["long_documents"] = find_model(trained).long_documents
    return _written(wanted, examples, card | {"training": done, "compared_with_torch": dict(engines)})


def _mapped(wanted: Wanted, examples: Examples, settings: Settings, seed: int, said: Tell) -> Trained:
    if wanted.teachers:
        raise InputError("a query map learns from labels only; --teacher is for --kind cross-encoder and bi-encoder")
    start = wanted.start or settings.model
    parts, figures = train_map(
        examples.asked, blend_parts(start), wanted.out, index=wanted.index, settings=settings, seed=seed, tell=said
    )
    card = _card(wanted, start, _with_own(parts, name_of(start), wanted.out), examples, {})
    return _written(wanted, examples, card | {"training": dict(figures)})


def _written(wanted: Wanted, examples: Examples, card: dict[str, Any]) -> Trained:
    write_card(wanted.out, card)
    return Trained(wanted.out, examples.warnings, card)


def _with_own(parts: Sequence[Mapping[str, Any]], start: str, out: Path) -> list[dict[str, Any]]:
    """Return a card's parts, with the model in the folder that was started from copied beside the card."""
    if any(part["model"] == start for part in parts) and Path(start).resolve() != out.resolve():
        clear(out)
        shutil.copytree(start, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("card.json", MAP))
    return [{**part, "model": "."} if part["model"] == start else dict(part) for part in parts]


def _with_maps(parts: Sequence[Mapping[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Return a card's parts, with the query map that one of them names copied beside the card."""
    for part in parts:
        if "query_map" in part and Path(part["query_map"]).resolve() != (out / MAP).resolve():
            shutil.copyfile(part["query_map"], out / MAP)
    return [{**part, "query_map": MAP} if "query_map" in part else dict(part) for part in parts]


def _parts(wanted: Wanted, settings: Settings) -> tuple[str, list[Mapping[str, Any]]]:
    """Return the name of the model to train, and the other parts of its blend, which stand beside it."""
    start = wanted.start or (settings.encoder if wanted.kind == "bi-encoder" else settings.model)
    parts: list[Mapping[str, Any]] = list(blend_parts(start))
    if not parts:
        return start, []
    own = next((part for part in parts if part["kind"] == wanted.kind), None)
    if own is None:
        raise InputError(f"{start} has no {wanted.kind} to train; name one to start from")
    return str(own["model"]), [part for part in parts if part is not own and wanted.kind == "cross-encoder"]


def _groups(
    examples: Examples,
    wanted: Wanted,
    settings: Settings,
    trained: str,
    others: Sequence[Mapping[str, Any]],
    seed: int,
    said: Tell,
) -> list[Group]:
    def warn(text: str) -> None:
        examples.warnings.append(text)
        said(f"warning: {text}")

    teachers = [_teacher(name, settings) for name in wanted.teachers]  # a wrong name is told before mining
    with ExitStack() as opened:
        miner = None if wanted.index is None else _miner(wanted, settings, trained, seed, opened)
        groups = _grouped(examples, wanted, miner, warn)
        if miner is not None:
            said(f"mined negatives: {miner.mined}")
    said(f"{len(groups)} groups of up to {max(len(group.passages) for group in groups)} passages")
    if teachers:
        if any(group.teacher for group in groups):
            warn("the rows' own scores give way to those of --teacher")
        groups = taught_by(groups, teachers)
    if others:
        parts = [(load_part(part, None, {}), float(part["weight"])) for part in others]
        groups = list(with_offset(groups, parts))
    return groups


def _grouped(examples: Examples, wanted: Wanted, miner: Miner | None, warn: Tell) -> list[Group]:
    """Return the groups; a query with nothing to compare its passages with teaches a bi-encoder only."""
    groups = list(groups_of(examples, wanted.building, miner))
    made = {group.query for group in groups}
    bare = [ask for ask in examples.asked if ask.relevant and ask.query not in made]
    most = wanted.building.positives
    long = [ask for ask in examples.asked if ask.query in made and len(ask.relevant) > most]
    if long and not wanted.building.together:
        named = listed([f"{ask.query!r:.60}" for ask in long])
        warn(f"of a query's relevant passages the {most} of the highest grades are learned from: {named}")
    if wanted.kind == "bi-encoder":
        return groups + [_alone(ask.query, one.text) for ask in bare for one in ask.relevant]
    if not groups:
        raise InputError(
            f"none of {len(examples.asked)} queries has both a relevant and another passage: all rows are of one"
            " class. Give rows with label 0 or 'negatives', or an --index to mine them from"
        )
    if bare:
        named = listed([f"{ask.query!r:.60}" for ask in bare])
        warn(f"a query without a less relevant passage teaches nothing: {named}")
    return groups


def _alone(query: str, passage: str) -> Group:
    return Group(query, (passage,), (), "pairs")


def _miner(wanted: Wanted, settings: Settings, trained: str, seed: int, opened: ExitStack) -> Miner:
    encoder = opened.enter_context(closing(load_encoder(settings)))
    index = opened.enter_context(Index.open(wanted.index or "", encoder=encoder, read_only=True))
    first, last = wanted.ranks
    each = -(-wanted.building.negatives // 3)
    windows = [Window(BM25(index), first, last, each), Window(Dense(index, encoder), first, last, each)]
    keep = None
    if wanted.kind == "cross-encoder":
        keep = Filter(load_model(trained, kind="cross-encoder"), wanted.filter_share, hardest=each)
    return Miner(windows, keep=keep, encoder=encoder, seed=seed)


def _teacher(name: str, settings: Settings) -> Teacher:
    """Load a teacher by `name` or `kind:name`; what scores each passage teaches by its scores."""
    reranker = Named.of(name, settings).load()
    scorer: Scorer | None = reranker.scorer if isinstance(reranker, Pointwise) else None
    return reranker if scorer is None else scorer


def _budgeted(recipe: Recipe, groups: Sequence[Group], wanted: Wanted) -> Recipe:
    from shortlist.training.held_out import split_by_query  # needs torch, which a base install has not

    can_be_measured = any(len(group.passages) > 1 for group in groups)
    share = wanted.dev_share if can_be_measured else 0.0
    held_out = min(round(share * len({folded(group.query) for group in groups})), _MOST_HELD_OUT)
    _, training = split_by_query(groups, held_out, Random(recipe.seed))
    steps = recipe.steps or max(1, round(wanted.epochs * len(training) / recipe.groups_per_step))
    return replace(
        recipe,
        steps=steps,
        dev_queries=held_out,
        report_steps=recipe.report_steps or max(1, steps // 10),
        label_weight=recipe.label_weight if any(group.teacher for group in groups) else 1.0,
    )


def _card(
    wanted: Wanted, start: str, parts: Sequence[Mapping[str, Any]], examples: Examples, told: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "name": wanted.out.name,
        "kind": "blend" if parts else wanted.kind,
        **({"parts": [dict(part) for part in parts]} if parts else {}),
        "source": f"trained by `shortlist train` from {start}",
        "command": wanted.command,
        "training_data": {
            "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in wanted.pairs},
            "rows": examples.rows,
            "queries": len(examples.asked),
            **told,
            "negatives_from": wanted.index.name if wanted.index else "",
            "warnings": examples.warnings,
        },
    }
