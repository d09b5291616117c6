"""A request becomes systems with their models and index, and then an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from shortlist import __version__
from shortlist.build.collections import Filling, IndexedDocuments, index_folder, indexed, read_collection
from shortlist.build.models import load_encoder, load_second_stage, options_of, split_name
from shortlist.build.search import retriever_of
from shortlist.errors import InputError
from shortlist.evaluation.collection import Collection, unknown_documents
from shortlist.evaluation.experiment import Watch, evaluate
from shortlist.evaluation.measures import parse_measures
from shortlist.evaluation.provenance import provenance
from shortlist.evaluation.qrels import Judgements
from shortlist.evaluation.request import MACHINE, Request
from shortlist.evaluation.results import Evaluation
from shortlist.evaluation.runs import Run, read_run
from shortlist.evaluation.spec import INDEXED, StageSpec, SystemSpec, parse_systems
from shortlist.evaluation.systems import Given, Stage, System
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Reranker
from shortlist.retrieval import Index
from shortlist.settings import Settings
from shortlist.types import Document
from shortlist.weights import find_packaged

_WITH_VECTORS = {"dense", "hybrid", "weighted"}
_RUN_ONLY = "the first stage is a run, so its own latency is not in the figures"


def evaluate_request(
    request: Request, *, command: str = "", watch: Watch | None = None, filling: Filling | None = None
) -> Evaluation:
    """Read the collection, load every system, evaluate; see `Request` for what can be asked.

    `watch` sees the queries done, `filling` the documents indexed. Raises InputError for
    what cannot be used, and what loading a model or opening an index raises.
    """
    measures = parse_measures(request.measures)
    with opened(request, filling=filling) as ready:
        return evaluate(
            ready.collection,
            ready.systems,
            measures,
            seed=request.seed,
            permutations=request.permutations,
            all_pairs=request.all_pairs,
            origin=provenance(command, shortlist=__version__),
            request=request.to_dict(),
            watch=watch,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """A collection with its systems, as long as the models and the index are open."""

    collection: Collection
    systems: tuple[System, ...]


@contextmanager
def opened(
    request: Request, *, collection: Collection | None = None, filling: Filling | None = None
) -> Iterator[Ready]:
    """Load what a request names, and its collection if it was not read yet; close all of it at the end."""
    specs = parse_systems(request.systems)
    collection = collection or read_collection(request)
    _check_texts(request, specs, collection)
    with ExitStack() as opened_parts:
        encoder = _encoder(request, specs, opened_parts)
        load = _Models(_settings(request), encoder)
        stages = {  # before an index is made, which may take long
            spec.name: tuple(Stage(load(model), model.depth or None, _price(model)) for model in spec.models)
            for spec in specs
        }
        runs = {name: read_run(Path(name)) for name in dict.fromkeys(spec.first.run_file for spec in specs) if name}
        index = _index(request, specs, collection, encoder, runs, opened_parts, filling)
        documents: Mapping[str, Document] = IndexedDocuments(index) if index is not None else collection.documents
        systems = [_system(spec, stages[spec.name], index, encoder, documents, runs) for spec in specs]
        for system in systems:
            if isinstance(system.retriever, Given):
                system.retriever.check(collection.queries, depth=system.depth)
        if not collection.documents and index is not None:
            collection = _over(collection, documents, request)
        yield Ready(collection, tuple(systems))


def _over(collection: Collection, documents: Mapping[str, Document], request: Request) -> Collection:
    """Put the index's documents into a collection that has none, and note judgements of others; see `Collection.of`."""
    judgements = Judgements(collection.qrels, file=Path(request.qrels) if request.qrels else None)
    notes = unknown_documents(judgements, collection.qrels, documents, f"the index {request.index}")
    return replace(collection, documents=documents, notes=(*collection.notes, *notes))


def _check_texts(request: Request, specs: Sequence[SystemSpec], collection: Collection) -> None:
    """Raise InputError when a system needs texts that were not given."""
    has_texts = bool(collection.documents) or bool(request.index)
    needing = next((spec for spec in specs if spec.models or spec.first.name in INDEXED), None)
    if needing is not None and not has_texts:
        raise InputError(f"{needing.name!r} needs the documents; name a collection, a corpus file or an index")
    if needing is not None and not (request.collection or request.queries):
        raise InputError(f"{needing.name!r} needs the queries' texts; name a collection or a file of queries")


def _encoder(request: Request, specs: Sequence[SystemSpec], opened_parts: ExitStack) -> BiEncoder | None:
    """Load the bi-encoder where vectors are searched or a model reads them; its tokens serve cross-encoders, too."""
    if not any(spec.first.name in _WITH_VECTORS or any(map(_reads_vectors, spec.models)) for spec in specs):
        return None
    return opened_parts.enter_context(closing(load_encoder(_settings(request))))


def _reads_vectors(model: StageSpec) -> bool:
    kind, name, _ = split_name(str(replace(model, depth=0)))
    packaged = find_packaged(name)
    return (kind or (packaged.card["kind"] if packaged is not None else "")) in {"blend", "bi-encoder"}


def _settings(request: Request) -> Settings:
    given = {name: getattr(request, name) for name in MACHINE}
    return replace(Settings(), **{name: value for name, value in given.items() if value})


def _index(
    request: Request,
    specs: Sequence[SystemSpec],
    collection: Collection,
    encoder: BiEncoder | None,
    runs: Mapping[str, Run],
    opened_parts: ExitStack,
    filling: Filling | None,
) -> Index | None:
    """Open the index where one is named, searched, or holds what a model would compute again for every query."""
    if not request.index and encoder is None and not any(spec.first.name in INDEXED for spec in specs):
        return None
    folder = opened_parts.enter_context(index_folder(request.index))
    is_searched = any(spec.first.name in INDEXED for spec in specs)
    documents = collection.documents if is_searched else _ranked(specs, collection, runs)
    return opened_parts.enter_context(
        indexed(documents, folder, encoder=encoder, is_whole=is_searched, filling=filling)
    )


def _ranked(specs: Sequence[SystemSpec], collection: Collection, runs: Mapping[str, Run]) -> dict[str, Document]:
    """Return the documents that the systems' runs hold for the collection's queries: no other one is reranked."""
    found: dict[str, Document] = {}
    documents = collection.documents
    for spec in specs:
        ranked = runs[spec.first.run_file].doc_ids
        for query in collection.queries:
            kept = ranked.get(query.query_id, ())[: spec.first.depth or None]
            found |= {doc_id: documents[doc_id] for doc_id in kept if doc_id in documents}
    if documents and not found:
        raise InputError("none of the runs' documents is in the corpus; use the corpus that the runs were made from")
    return found


@dataclass(frozen=True, slots=True)
class _Models:
    """Loads rerankers; a model of the same name and options is loaded once."""

    settings: Settings
    encoder: BiEncoder | None
    loaded: dict[str, Reranker] = field(default_factory=dict)

    def __call__(self, spec: StageSpec) -> Reranker:
        key = spec.loaded
        if key not in self.loaded:
            kind, model, options = split_name(key)
            self.loaded[key] = load_second_stage(
                model, kind=kind, encoder=self.encoder, defaults=options_of(self.settings, kind), **options
            )
        return self.loaded[key]


def _system(
    spec: SystemSpec,
    stages: tuple[Stage, ...],
    index: Index | None,
    encoder: BiEncoder | None,
    documents: Mapping[str, Document],
    runs: Mapping[str, Run],
) -> System:
    if spec.first.run_file:
        run = runs[spec.first.run_file]
        depth = spec.first.depth or max(map(len, run.doc_ids.values()))
        return System(spec.name, Given(run, documents), depth, stages, spec.stages, (_RUN_ONLY,))
    if index is None:
        raise InputError(f"{spec.name!r} needs an index")  # _index makes one for every first stage but a run
    return System(spec.name, retriever_of(spec.first.name, index, encoder), spec.first.depth, stages, spec.stages)


def _price(model: StageSpec) -> float:
    text = model.options.get("price", "0")
    try:
        price = float(text)
    except ValueError as error:
        raise InputError(f"price must be a number (for a million tokens), got {text!r}") from error
    if not 0 <= price < float("inf"):
        raise InputError(f"price must be a number from 0, got {text!r}")
    return price
