"""The recipe of the packaged cross-encoder's data: which collections, how many groups, which lengths."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from shortlist.training.augment import vary
from shortlist.training.cloze import cloze_pairs
from shortlist.training.code_pairs import code_pairs
from shortlist.training.ensemble import fit, taught
from shortlist.training.groups import Group, Pair
from shortlist.training.leakage import Seen
from shortlist.training.mining import Encode, Mining, mine


@dataclass(frozen=True, slots=True)
class Source:
    """One training collection: `queries` pairs become groups, `distractors` more passages only negatives.

    `characters` is where its texts are cut; `short`, where every second one is. `cloze` more
    groups ask with a sentence of a passage.
    """

    name: str
    licence: str
    queries: int
    distractors: int
    characters: int
    short: int = 0
    cloze: int = 0


@dataclass(frozen=True, slots=True)
class Teacher:
    """A bi-encoder that teaches beside the packaged one."""

    name: str
    licence: str


# Families share one pool of passages, so that negatives come from the same kind of text.
FAMILIES: tuple[tuple[Source, ...], ...] = (
    (
        Source("nq_qed", "CC BY-SA 3.0", 8600, 0, 1100, short=480, cloze=500),
        Source("squad_nqg", "CC BY-SA 4.0", 7000, 8000, 400),
        Source("wiki_abstracts", "CC BY-SA", 1000, 6000, 700, cloze=1000),
    ),
    (
        Source("medquad", "CC BY 4.0", 4500, 4000, 1300, short=560, cloze=700),
        Source("pubmedqa", "MIT", 1000, 0, 1600, cloze=900),
        Source("covid_faqs", "Apache-2.0", 300, 600, 480),
    ),
    (
        Source("tldr", "CC BY 4.0", 1500, 3000, 300),
        Source("powershell_docs", "CC BY 4.0, MIT", 1200, 2000, 700, short=400),
        Source("k8s_docs", "CC BY 4.0", 1800, 2000, 900, short=480),
        Source("rust_book", "MIT or Apache-2.0", 450, 0, 1000, short=480),
    ),
    (Source("scitldr", "Apache-2.0", 4000, 1500, 1500, cloze=1300),),
)
CODE_PACKAGES = {
    "numpy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "sklearn": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "pandas": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
    "email": "PSF-2.0",
    "http": "PSF-2.0",
    "asyncio": "PSF-2.0",
    "logging": "PSF-2.0",
}
TEACHERS = (
    Teacher("sentence-transformers/all-mpnet-base-v2", "Apache-2.0"),
    Teacher("multilingual-e5-small", "MIT"),  # as packaged in multilingual/
)

CODE, CODE_QUERIES = "python_code", 3000
_SEED = 0
# What further teachers read: general questions and long passages first, weak pairs in small measure.
DRAWN = {
    "nq_qed": 5000,
    "squad_nqg": 2500,
    "wiki_abstracts": 600,
    "nq_qed_cloze": 200,
    "wiki_abstracts_cloze": 500,
    "medquad": 1500,
    "pubmedqa": 700,
    "covid_faqs": 100,
    "medquad_cloze": 200,
    "pubmedqa_cloze": 300,
    "tldr": 300,
    "powershell_docs": 300,
    "k8s_docs": 500,
    "rust_book": 100,
    "scitldr": 1200,
    "scitldr_cloze": 300,
    CODE: 800,
}
LICENCES: dict[str, str] = {source.name: source.licence for family in FAMILIES for source in family} | {
    f"docstrings of {name}": licence for name, licence in CODE_PACKAGES.items()
}


def clean(text: str) -> str:
    """Undo the tokenised brackets of the SQuAD files and fold whitespace."""
    return " ".join(text.replace("-lrb-", "(").replace("-rrb-", ")").replace("``", '"').replace("''", '"').split())


def read_pairs(data: Path, source: Source) -> list[Pair]:
    """Read one collection's English pairs, texts cut at the source's lengths in characters.

    A title stands on a line of its own above the passage, as documents are read later, in
    two of three pairs of the sources that have one.
    """
    rng = random.Random(_SEED)
    pairs = []
    with gzip.open(data / source.name / "pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            query, passage = clean(row["query"]), clean(row["passage"])
            title = clean(row.get("title") or "")
            if row.get("lang", "en") != "en" or len(query) < 3 or len(passage) < 20:
                continue
            if title and source.name != "nq_qed" and len(query.split()) < 3:
                query = f"{title}: {query}"  # a heading such as "Examples" asks for nothing by itself
            elif title and rng.random() < 0.67:
                passage = f"{title}\n{passage}"
            cut = source.short if source.short and rng.random() < 0.5 else source.characters
            if passage.lower() != query.lower():
                pairs.append(Pair(query, passage[:cut], source.name))
    return pairs


def packaged_groups(
    data: Path, encode: Encode, *, mining: Mining, seen: Seen, tell: Callable[[str], None]
) -> Iterator[Group]:
    """Mine the groups of every family in turn; what an evaluation collection shows is left out."""
    rng = random.Random(_SEED)
    for chosen, distractors in _families(data):
        clear = [pair for pair in chosen if not (seen.query(pair.query) or seen.passage(pair.passage))]
        others = [text for text in distractors if not seen.passage(text)]
        tell(f"{len(chosen)} pairs, {len(chosen) - len(clear)} of them seen in evaluation; {len(others)} distractors")
        asked = [replace(pair, query=vary(pair.query, rng)) for pair in clear]
        yield from mine(asked, others, encode, mining)


def drawn(groups: Sequence[Group]) -> list[Group]:
    """Draw the groups that further teachers read: `DRAWN` of each source, or as many as there are."""
    shuffled, left = list(groups), dict(DRAWN)
    random.Random(_SEED).shuffle(shuffled)
    chosen = []
    for group in shuffled:
        if left[group.source] > 0:
            left[group.source] -= 1
            chosen.append(group)
    return chosen


def by_ensemble(groups: Sequence[Group], *, tell: Callable[[str], None]) -> Iterator[Group]:
    """Teach each family's groups by the ensemble of their teachers that explains the family's labels best.

    Cloze questions share words with their passages by making, so labels of real questions decide.
    """
    for family in (*FAMILIES, None):
        names = {source.name for source in family} if family else {CODE}
        ours = [group for group in groups if group.source.removesuffix("_cloze") in names]
        weights = fit([group for group in ours if not group.source.endswith("_cloze")])
        tell(f"teacher of {', '.join(sorted(names))}: {weights}")
        yield from taught(ours, weights)


def unasked_pairs(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    """Yield each collection's name with its pairs whose query no group asks: what the model was not trained on."""
    for source, pairs in _shuffled(data):
        asked = {pair.query for pair in pairs[: source.queries]}
        yield source.name, [pair for pair in pairs[source.queries :] if pair.query not in asked]


def _shuffled(data: Path) -> Iterator[tuple[Source, list[Pair]]]:
    rng = random.Random(_SEED)
    for source in (source for family in FAMILIES for source in family):
        pairs = read_pairs(data, source)
        rng.shuffle(pairs)
        yield source, pairs


def _families(data: Path) -> Iterator[tuple[list[Pair], list[str]]]:
    shuffled = _shuffled(data)
    for family in FAMILIES:
        chosen: list[Pair] = []
        distractors: list[str] = []
        for source, pairs in islice(shuffled, len(family)):
            rest = [pair.passage for pair in pairs[source.queries :]]
            chosen += pairs[: source.queries]
            distractors += rest[: source.distractors]
            whole = list(dict.fromkeys([*rest, *(pair.passage for pair in pairs)]))
            chosen += cloze_pairs(whole, f"{source.name}_cloze", count=source.cloze, seed=_SEED)
        yield chosen, distractors
    code = code_pairs(tuple(CODE_PACKAGES), count=2 * CODE_QUERIES, characters=1200, seed=_SEED)
    yield code[:CODE_QUERIES], [pair.passage for pair in code[CODE_QUERIES:]]
