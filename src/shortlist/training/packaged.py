"""The recipe of the packaged cross-encoder: which data, how many groups, which lengths."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shortlist.training.groups import Group, Pair
from shortlist.training.mining import Encode, Mining, mine


@dataclass(frozen=True, slots=True)
class Source:
    """One training collection: `queries` pairs become groups, `distractors` more passages only negatives.

    `characters` is where its texts are cut.
    """

    name: str
    licence: str
    queries: int
    distractors: int
    characters: int


# Families share one pool of passages, so that negatives come from the same kind of text.
FAMILIES: tuple[tuple[Source, ...], ...] = (
    (
        Source("nq_qed", "CC BY-SA 3.0", 8600, 0, 480),
        Source("squad_nqg", "CC BY-SA 4.0", 7000, 8000, 400),
        Source("wiki_abstracts", "CC BY-SA", 1000, 4000, 480),
    ),
    (
        Source("medquad", "CC BY 4.0", 3000, 3000, 560),
        Source("pubmedqa", "MIT", 700, 300, 1200),
        Source("covid_faqs", "Apache-2.0", 300, 600, 480),
    ),
    (
        Source("tldr", "CC BY 4.0", 1200, 3000, 300),
        Source("powershell_docs", "CC BY 4.0, MIT", 900, 2000, 400),
        Source("k8s_docs", "CC BY 4.0", 900, 2000, 480),
        Source("rust_book", "MIT or Apache-2.0", 200, 300, 480),
    ),
    (Source("scitldr", "Apache-2.0", 1300, 500, 1200),),
)


def clean(text: str) -> str:
    """Undo the tokenised brackets of the SQuAD files and fold whitespace."""
    return " ".join(text.replace("-lrb-", "(").replace("-rrb-", ")").replace("``", '"').replace("''", '"').split())


def read_pairs(data: Path, source: Source) -> list[Pair]:
    """Read one collection, texts cut at the source's length in characters."""
    pairs = []
    with gzip.open(data / source.name / "pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            query, passage = clean(row["query"]), clean(row["passage"])
            title = clean(row.get("title") or "")
            if source.name == "nq_qed" and title:
                passage = f"{title}. {passage}"
            if len(query) >= 3 and len(passage) >= 20 and passage.lower() != query.lower():
                pairs.append(Pair(query, passage[: source.characters], source.name))
    return pairs


def packaged_groups(data: Path, encode: Encode, *, seed: int = 0) -> Iterator[Group]:
    """Mine the groups of every family in turn."""
    rng = random.Random(seed)
    for family in FAMILIES:
        chosen: list[Pair] = []
        distractors: list[str] = []
        for source in family:
            pairs = read_pairs(data, source)
            rng.shuffle(pairs)
            chosen += pairs[: source.queries]
            distractors += [p.passage for p in pairs[source.queries : source.queries + source.distractors]]
        yield from mine(chosen, distractors, encode, Mining(seed=seed))
