"""What exits save and lose: time, candidates read, and nDCG@10, beside the whole model and beside peers.

    python -m benchmarks.speed.exits --collections trec_dl19 --peers FOLDER --peers-python PYTHON --json exits.json
    python -m benchmarks.speed.exits --model MODEL --collections trec_dl19 scifact --json exits.json

Without MODEL it is the packaged blend with the packaged margins. A MODEL may have exits behind its layers, too
(`exit_heads.safetensors`); its margins are fitted on one half of the queries and used on the other, both ways round,
for each of `--risks`; everything is counted on queries that were not fitted on. Candidates are BM25's. Vectors and
token ids of the documents are made beforehand, as an index has them; with `--texts` they are not there. `--peers`
names what `peers.prepare` wrote: its cross-encoder is run by each of `--systems` in a process of its own, on the same
queries and texts. All take turns query by query, and whoever works has the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.progress import Progress
from benchmarks.provenance import as_markdown, keep, provenance, weights_of
from benchmarks.quality.collection import Collection, load_collection
from benchmarks.quality.indexing import work_folder
from benchmarks.quality.measure import NDCG, per_query
from benchmarks.quality.precision_effect import first_stage
from benchmarks.quality.tables import differences, markdown
from benchmarks.speed.peers.systems import SYSTEMS
from benchmarks.speed.processes import Worker
from shortlist.build.exits import PACKAGED, load_exits
from shortlist.build.models import load_second_stage
from shortlist.evaluation.collection import drawn
from shortlist.evaluation.significance import compare, corrected
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Reranker, Role
from shortlist.scorers.pruning import Margins, safe_margins
from shortlist.settings import DEFAULT_ENCODER, DEFAULT_MODEL
from shortlist.types import DocumentVector, Ranking
from shortlist.types.ranking import descending

WHOLE, WITH_PACKAGED = "whole model", f"{PACKAGED} margins"
PEERS = ("sentence-transformers fp32", "sentence-transformers openvino")
_PAUSE_S = 0.05  # until the threads of the one before have gone to sleep


@dataclass(frozen=True, slots=True)
class Call:
    """One reranking: what it took, its first ten, and how many candidates each stage read."""

    system: str
    query_id: str
    ms: float
    top: tuple[str, ...]
    read: tuple[int, ...]


Ask = Callable[[Ranking], Call]


def main(arguments: Sequence[str]) -> None:
    options = _options().parse_args(arguments)
    run = {**provenance("benchmarks.speed.exits", arguments), "weights": weights_of([options.model])}
    sys.stdout.write(f"# Exits\n\n{as_markdown(run)}")
    values = {}
    with ExitStack() as opened:
        work = opened.enter_context(work_folder(options.work))
        peers = [opened.enter_context(closing(_started(name, options))) for name in _peers(options)]
        whole = load_second_stage(options.model, **_machine(options))
        for name in options.collections:
            collection = load_collection(name)
            queries = drawn(collection.queries, options.queries, seed=options.seed)
            found = first_stage(collection, queries, work, depth=options.depth)
            candidates = [_bare(ranking) for ranking in found] if options.texts else _as_stored(found)
            calls = list(_calls(candidates, whole, peers, options, work))
            sys.stdout.write(f"\n## {name}, {len(candidates)} queries\n\n{_tables(collection, calls, options)}")
            values[name] = [asdict(call) for call in calls]
    keep(options.json, {**run, "calls": values})


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a blend, or a folder with exit_heads.safetensors")
    parser.add_argument("--collections", nargs="+", default=("trec_dl19",), metavar="NAME")
    parser.add_argument("--queries", type=int, default=0, help="drawn from each collection; 0 for all")
    parser.add_argument("--depth", type=int, default=100, help="candidates a query")
    parser.add_argument("--texts", action="store_true", help="nothing of the documents is stored")
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--risks", nargs="*", type=float, help="of margins fitted here [.1 .2 .4; packaged: none]")
    parser.add_argument("--engine", default="auto", help="ours")
    parser.add_argument("--precision", default="auto", help="ours")
    parser.add_argument("--peers", type=Path, help="what `peers.prepare` wrote; without it no peer is asked")
    parser.add_argument("--peers-python", default=sys.executable, help="the Python in which the peers are installed")
    parser.add_argument("--systems", nargs="+", choices=[*SYSTEMS], default=PEERS, help="the peers that are asked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the indexes, kept; without it they are temporary")
    parser.add_argument("--json", type=Path, help="file for all values")
    return parser


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    return {"engine": options.engine, "precision": options.precision}


def _peers(options: argparse.Namespace) -> Sequence[str]:
    return options.systems if options.peers else ()


def _started(name: str, options: argparse.Namespace) -> Worker:
    log = Path(tempfile.mkdtemp(prefix="exits-")) / f"{name}.txt"
    worker = Worker(name, options.peers_python, options.peers, log=log)
    worker.warm_up("how tall is it?", ["It is 330 m tall."])
    return worker


def _as_stored(candidates: Sequence[Ranking]) -> list[Ranking]:
    """Give the documents what an index keeps of them."""
    encoder = BiEncoder.load(DEFAULT_ENCODER)
    distinct = {document.doc_id: document for ranking in candidates for document in ranking.documents}
    texts = [document.full_text for document in distinct.values()]
    made = zip(distinct.values(), encoder.encode(texts, role=Role.DOCUMENT), encoder.tokenize(texts), strict=True)
    stored = {
        document.doc_id: replace(document, vector=DocumentVector(encoder.fingerprint, row), tokens=tokens)
        for document, row, tokens in made
    }
    encoder.close()
    return [
        Ranking.in_order(ranking.query, [stored[doc_id] for doc_id in ranking.doc_ids], stage=ranking.stage)
        for ranking in candidates
    ]


def _bare(ranking: Ranking) -> Ranking:
    """Take away what an index keeps of the documents."""
    documents = [replace(document, tokens=None, vector=None) for document in ranking.documents]
    return Ranking.in_order(ranking.query, documents, stage=ranking.stage)


def _calls(
    candidates: Sequence[Ranking], whole: Reranker, peers: Sequence[Worker], options: argparse.Namespace, work: Path
) -> Iterator[Call]:
    """Ask every system every query, in turns; margins that are fitted are of the other half of the queries."""
    progress = Progress("asking", len(candidates), unit="queries")
    asks = {peer.name: _asking_peer(peer, options.top_k) for peer in peers}
    fixed = {WHOLE: whole}
    if options.model == DEFAULT_MODEL:
        fixed[WITH_PACKAGED] = load_exits(options.model, PACKAGED, options=_machine(options)).reranker
    for fold in (0, 1):
        fitted, asked = candidates[fold::2], candidates[1 - fold :: 2]
        ours = {**fixed, **dict(_with_own(fitted, options, work))}
        systems = {**{name: _asking(name, one, options.top_k) for name, one in ours.items()}, **asks}
        strange = replace(candidates[0], items=candidates[-1].items)  # a pairing that nobody is timed with
        for ask in systems.values():
            ask(strange)
        for turn, ranking in enumerate(asked):
            first = turn % len(systems)
            for ask in [*systems.values()][first:] + [*systems.values()][:first]:
                time.sleep(_PAUSE_S)
                yield ask(ranking)
            progress.step()


def _with_own(fitted: Sequence[Ranking], options: argparse.Namespace, work: Path) -> Iterator[tuple[str, Reranker]]:
    """Yield the model with margins of these queries, loaded anew for each risk, so that none profits from another."""
    usual = () if options.model == DEFAULT_MODEL else (0.1, 0.2, 0.4)
    risks = usual if options.risks is None else options.risks
    if not risks:
        return
    measuring = load_exits(options.model, options=_machine(options))
    scores = [measuring.scores(ranking.query, ranking.documents) for ranking in fitted]
    measuring.close()
    for risk in risks:
        by_top_k = {options.top_k: safe_margins(scores, top_k=options.top_k, risk=risk)}
        Margins(measuring.fingerprint, risk, len(fitted), by_top_k).save(work / "exits.json")
        yield f"risk {risk:g}", load_exits(options.model, str(work / "exits.json"), options=_machine(options)).reranker


def _asking(name: str, reranker: Reranker, top_k: int) -> Ask:
    def ask(ranking: Ranking) -> Call:
        began = time.perf_counter()
        found = reranker.rerank(ranking, top_k=top_k)
        ms = (time.perf_counter() - began) * 1000
        counts = {key: count for step in found.trace.steps for key, count in step.counts.items()}
        stages = ("read", *(f"stage_{place}" for place in range(9)))
        return Call(name, ranking.query.query_id, ms, found.doc_ids, tuple(counts[s] for s in stages if s in counts))

    return ask


def _asking_peer(peer: Worker, top_k: int) -> Ask:
    def ask(ranking: Ranking) -> Call:
        answer = peer.ask(ranking.query.text, [document.full_text for document in ranking.documents])
        top = tuple(ranking.doc_ids[place] for place in descending(answer.scores)[:top_k])
        return Call(peer.name, ranking.query.query_id, answer.ms, top, (len(ranking),))

    return ask


def _tables(collection: Collection, calls: Sequence[Call], options: argparse.Namespace) -> str:
    systems = {
        name: {c.query_id: c for c in calls if c.system == name} for name in dict.fromkeys(c.system for c in calls)
    }
    ndcg = {
        name: per_query({query_id: call.top for query_id, call in found.items()}, collection.qrels)[NDCG]
        for name, found in systems.items()
    }
    rows = [_row(name, found, systems[WHOLE], ndcg[name]) for name, found in systems.items()]
    header = ["", "nDCG@10", "P50 ms", "P95 ms", "read by each stage", "queries that lose one", "lost"]
    ours = [name for name in systems if name not in SYSTEMS]
    tests = corrected([compare(name, WHOLE, ndcg, seed=options.seed) for name in ours if name != WHOLE])
    return f"{markdown(header, rows)}\n{_ratios(systems, ours)}\n{differences(tests)}"


def _row(name: str, found: Mapping[str, Call], whole: Mapping[str, Call], ndcg: Mapping[str, float]) -> list[str]:
    times = [call.ms for call in found.values()]
    stages = [call.read for call in found.values() if call.read]
    read = ", ".join(f"{count:.1f}" for count in np.mean(stages, axis=0)) if stages else "-"
    p50, p95 = (f"{np.quantile(times, share):.0f}" for share in (0.5, 0.95))
    row = [name, f"{np.mean(list(ndcg.values())):.4f}", p50, p95, read]
    if name in SYSTEMS or name == WHOLE:  # a peer's order is that of other weights: nothing of ours is lost by it
        return [*row, "-", "-"]
    lost = [len(set(whole[query_id].top) - set(call.top)) for query_id, call in found.items()]
    return [*row, f"{sum(map(bool, lost))} of {len(lost)}", f"{np.mean(lost):.2f}"]


def _ratios(systems: Mapping[str, Mapping[str, Call]], ours: Sequence[str]) -> str:
    """Return how many times as fast each of ours is as every other system: all queries together, and the median one."""
    rows = []
    for name in ours:
        for other in systems:
            if other == name or (name == WHOLE and other not in SYSTEMS):
                continue
            pairs = [(systems[other][query_id].ms, call.ms) for query_id, call in systems[name].items()]
            theirs, own = np.asarray(pairs).T
            rows.append([name, other, f"{theirs.sum() / own.sum():.2f}", f"{np.median(theirs / own):.2f}"])
    return markdown(["times as fast", "as", "all queries together", "median query"], rows)


if __name__ == "__main__":
    main(sys.argv[1:])
