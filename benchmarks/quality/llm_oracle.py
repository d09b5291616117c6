"""What each way of asking makes of a model that knows the relevance: perfect, noisy, adversarial, garbled.

    python -m benchmarks.quality.llm_oracle --count 100

Every candidate has its own relevance, from 0 to 4, so there is one right order. The table
gives nDCG@10 (gain by relevance) of the given order and of each method's, and its calls beside those that its paper
states. No model runs here: it tells of the methods, not of models. Two other tables
count the repairs of the garbled answers, and of fuzzed ones: true orders, damaged by chance.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.quality import tables
from shortlist.evaluation.trec import ndcg
from shortlist.scorers.llm import LLMReranker, PointwiseLLM
from shortlist.scorers.llm.parsing import parse_order
from shortlist.scorers.registry import load_reranker
from shortlist.testing.oracle import Oracle, Temper
from shortlist.types import Document, Query, Ranking

TEMPERS: tuple[Temper, ...] = ("perfect", "noisy", "adversarial", "garbled")


def _sliding(count: int) -> int:
    return max(0, math.ceil((count - 20) / 10)) + 1


def _top_down(count: int) -> int:
    return 1 + max(0, math.ceil((count - 20) / 19))


def _bubbles(count: int) -> int:
    return 2 * sum(count - 1 - done for done in range(min(10, count)))


def _tournament(count: int) -> int:
    calls = 1
    while count > 20:
        groups = math.ceil(count / 20)
        calls, count = calls + groups, sum(min(10, len(range(start, count, groups))) for start in range(groups))
    return calls


METHODS: dict[str, tuple[str, dict[str, Any], str, Callable[[int], int] | None]] = {
    "listwise, sliding 20/10": ("llm-listwise", {}, "ceil((n-20)/10)+1", _sliding),
    "listwise, sliding, 2 passes": ("llm-listwise", {"passes": 2}, "twice that", lambda n: 2 * _sliding(n)),
    "listwise, first token": ("llm-listwise", {"prompt": "first"}, "ceil((n-20)/10)+1", _sliding),
    "listwise, 3 shuffles": ("llm-listwise", {"permutations": 3}, "three times that", lambda n: 3 * _sliding(n)),
    "listwise, top-down": ("llm-listwise", {"windows": "top-down"}, "from 1+ceil((n-20)/19)", _top_down),
    "listwise, tournament": ("llm-listwise", {"windows": "tournament"}, "sum of ceil(left/20)", _tournament),
    "pairwise, all pairs": ("llm-pairwise", {"sort": "all-pairs"}, "n(n-1)", lambda n: n * (n - 1)),
    "pairwise, heap, top 10": ("llm-pairwise", {}, "O(n + k log n)", None),
    "pairwise, sliding, top 10": ("llm-pairwise", {"sort": "sliding"}, "2(k n - k(k+1)/2)", _bubbles),
    "setwise, 2 children, top 10": ("llm-setwise", {}, "O(n + k log2 n)", None),
    "setwise, 9 children, top 10": ("llm-setwise", {"children": 9}, "O(n/9 + k log9 n)", None),
    "yes/no": ("llm-pointwise", {}, "n", int),
    "graded 0-4": ("llm-pointwise", {"judge": "graded"}, "n", int),
    "query likelihood": ("llm-likelihood", {}, "n", int),
}

FULL_WIDTH = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
DAMAGES: tuple[Callable[[str, random.Random], str], ...] = (
    lambda text, chance: text[: chance.randrange(len(text) + 1)],
    lambda text, chance: text[chance.randrange(len(text) + 1) :],
    lambda text, _: text.replace("[", "").replace("]", ""),
    lambda text, _: text + " > " + text,
    lambda text, chance: text.replace(f"[{chance.randint(1, 20)}]", f"[{chance.randint(21, 999)}]"),
    lambda text, chance: f"<think>[{chance.randint(1, 20)}] seems best</think>\n{text}",
    lambda text, _: f"<think>{text}",
    lambda text, _: text.replace("[", "\uff3b").replace("]", "\uff3d").translate(FULL_WIDTH),
    lambda text, chance: f"[{chance.randint(1, 9)}-{chance.randint(10, 20)}] > {text}",
    lambda text, _: f"Sure! Here are these 20 passages in order:\n{text}",
    lambda text, chance: "".join(letter for letter in text if chance.random() > 0.1),
    lambda text, chance: "".join(chance.sample(text, len(text))),
    lambda _, chance: chance.choice(["", "I cannot rank these 20 passages.", "null", "[]", "\u2460 > \u2461"]),
)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="candidates")
    parser.add_argument("--spread", type=float, default=1.0, help="of the noise, in grades of 0 to 4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fuzzed", type=int, default=1000, help="damaged answers to parse")
    options = parser.parse_args(arguments)
    rows, repairs = [], Counter[str]()
    for name, (kind, choices, stated, count) in METHODS.items():
        number = f" = {count(options.count)}" if count else ""
        rows.append([name, *_row(kind, choices, options, repairs), f"{stated}{number}"])
    header = ["method", *(f"nDCG@10, {temper}" for temper in TEMPERS), "calls", "at most", "as the paper states"]
    sys.stdout.write(f"{options.count} candidates; nDCG@10 of the given order {_given(options):.3f}\n\n")
    sys.stdout.write(tables.markdown(header, rows))
    sys.stdout.write("\nRepairs of the garbled answers, all methods:\n\n")
    sys.stdout.write(tables.markdown(["repair", "times"], [[name, str(n)] for name, n in sorted(repairs.items())]))
    sys.stdout.write(f"\nRepairs of {options.fuzzed} fuzzed answers about 20 passages:\n\n")
    sys.stdout.write(tables.markdown(["repair", "times"], list(_fuzzed(options.fuzzed, options.seed))))


def _fuzzed(times: int, seed: int) -> Iterator[list[str]]:
    """Yield a row a repair over damaged answers about 20 passages; raises RuntimeError if one loses a passage."""
    chance, repairs, clean = random.Random(seed), Counter[str](), 0
    for _ in range(times):
        parsed = parse_order(_damaged(chance), 20)
        if sorted(parsed.order) != list(range(20)):
            raise RuntimeError(f"no permutation: {parsed.order}")
        repairs += parsed.repairs
        clean += not parsed.repairs
    yield from ([name, str(count)] for name, count in sorted(repairs.items()))
    yield ["answers without any repair", str(clean)]


def _damaged(chance: random.Random) -> str:
    """Return an order of 20 passages, as models write it, with up to three things gone wrong."""
    text = " > ".join(f"[{number}]" for number in chance.sample(range(1, 21), 20))
    for damage in chance.choices(DAMAGES, k=chance.randint(0, 3)):
        text = damage(text, chance)
    return text


def _row(kind: str, choices: dict[str, Any], options: argparse.Namespace, repairs: Counter[str]) -> Iterator[str]:
    candidates, relevance = _candidates(options.count, options.seed)
    counts: dict[str, int] = {}
    for temper in TEMPERS:
        reranker = load_reranker(kind, Oracle(relevance, temper, options.spread, options.seed), **choices)
        assert isinstance(reranker, LLMReranker | PointwiseLLM)
        ranking = reranker.rerank(candidates)
        step = ranking.trace.steps[-1]
        counts = counts or dict(step.counts)  # those of the perfect one, which comes first
        if temper == "garbled":
            known = {"documents", "calls", "calls_at_most", "prompt_tokens", "completion_tokens"}
            repairs.update({name: count for name, count in step.counts.items() if name not in known})
        yield f"{_ndcg(ranking, relevance):.3f}"
    yield from (str(counts["calls"]), str(counts["calls_at_most"]))


def _given(options: argparse.Namespace) -> float:
    candidates, relevance = _candidates(options.count, options.seed)
    return _ndcg(candidates, relevance)


def _ndcg(ranking: Ranking, relevance: Mapping[str, float]) -> float:
    grades = [relevance[doc_id] for doc_id in ranking.doc_ids]
    return ndcg(grades, grades, 10)


def _candidates(count: int, seed: int) -> tuple[Ranking, dict[str, float]]:
    documents = [Document(f"doc-{i}: a passage", f"doc-{i}") for i in range(count)]
    random.Random(seed).shuffle(documents)
    return Ranking.in_order(Query("which is best?"), documents), {f"doc-{i}": 4 - 4 * i / count for i in range(count)}


if __name__ == "__main__":
    main(sys.argv[1:])
