"""The packaged margins: how far behind a candidate may stand before the first layer and still be read.

    python -m scripts.fit_exits DATA/train

60 questions of each of six training sets are asked, such as the packaged model was not asked in training, with the
first 100 that BM25 finds among 4,000 passages of the set for candidates; a right passage is not added to them. Each set
is a kind of question: it has margins of its own, and the largest of the six is taken, so that the risk holds for each
kind. Nothing of eval/ is read. It takes half an hour on two cores, and writes exits.json with its checksum beside the
model's card.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import bm25s

from shortlist.build.exits import Exits, load_exits
from shortlist.scorers.pruning import Floats, Margins, safe_margins
from shortlist.settings import DEFAULT_MODEL
from shortlist.training.groups import Pair
from shortlist.training.packaged import unasked_pairs
from shortlist.types import Document, Query
from shortlist.weights import find_packaged

SETS = ("squad_nqg", "medquad", "scitldr", "tldr", "k8s_docs", "powershell_docs")
TOP_KS = (1, 3, 5, 10, 20)
QUERIES, PASSAGES, DEPTH, RISK = 60, 4000, 100, 0.05


def scores_of(model: Exits, pairs: Sequence[Pair]) -> Iterator[Floats]:
    """Yield the scores `[exits + 1, candidates]` of a set's first questions."""
    chosen = pairs[:PASSAGES]
    texts = list(dict.fromkeys(pair.passage for pair in chosen))
    bm25 = bm25s.BM25(k1=0.9, b=0.4)
    bm25.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
    for query in list(dict.fromkeys(pair.query for pair in chosen))[:QUERIES]:
        places, _ = bm25.retrieve(bm25s.tokenize([query], show_progress=False), k=DEPTH, show_progress=False)
        yield model.scores(Query(query), [Document(texts[place]) for place in places[0]])


def margins_of(by_set: Mapping[str, Sequence[Floats]]) -> dict[int, tuple[float, ...]]:
    """Return for each top_k the largest of the sets' margins, exit by exit."""
    found = {}
    for top_k in TOP_KS:
        by_name = {name: safe_margins(scores, top_k=top_k, risk=RISK) for name, scores in by_set.items()}
        sys.stderr.write(f"top {top_k}: {', '.join(f'{name} {m[0]:.3f}' for name, m in by_name.items())}\n")
        found[top_k] = tuple(round(max(margins), 3) for margins in zip(*by_name.values(), strict=True))
    return found


def weights_only(fingerprint: str) -> str:
    """Return a blend's fingerprint without engines and precisions: the margins are for all of them."""
    return re.sub(r":[a-z]+ [\d.]+:[a-z0-9]+", "", fingerprint)


def main() -> None:
    """Fit the margins and write them beside the packaged model's card."""
    packaged = find_packaged(DEFAULT_MODEL)
    assert packaged is not None
    model = load_exits(DEFAULT_MODEL)
    by_set: dict[str, list[Floats]] = {}
    for name, pairs in unasked_pairs(Path(sys.argv[1])):
        if name in SETS:
            by_set[name] = list(scores_of(model, pairs))
            sys.stderr.write(f"{name}: {len(by_set[name])} questions, of {len(pairs)} pairs not asked in training\n")
    queries = sum(map(len, by_set.values()))
    made = Margins(weights_only(model.fingerprint), RISK, queries, margins_of(by_set))
    file, card_file = packaged.folder / "exits.json", packaged.folder / "card.json"
    made.save(file)
    card = dict(packaged.card)
    card["sha256"] = {**card["sha256"], file.name: hashlib.sha256(file.read_bytes()).hexdigest()}
    card_file.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
