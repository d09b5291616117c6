"""Ordered windows become training groups, in the format that training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.scorers.registry import load_reranker
from shortlist.training.groups import read_groups
from shortlist.training.permutations import PermutationRecorder

from .material import Scripted, candidates, oracle


def test_clean_windows_are_written_and_repaired_ones_only_counted(tmp_path: Path) -> None:
    given, relevance = candidates(25)
    path = tmp_path / "groups.jsonl.gz"
    with PermutationRecorder(path) as recorder:
        load_reranker("llm-listwise", oracle(relevance), record=recorder, windows="tournament").rerank(given)
        load_reranker("llm-listwise", Scripted("I cannot."), record=recorder).rerank(given)
    groups = list(read_groups(path))
    assert (recorder.written, recorder.repaired) == (3, 2)
    assert [len(group.passages) for group in groups] == [13, 12, 20]
    assert groups[-1].query == given.query.text
    assert groups[-1].passages[0].startswith("doc-0 ")
    assert (groups[-1].teacher[0], groups[-1].teacher[-1]) == (1.0, -1.0)
    assert (np.diff(np.asarray(groups[-1].teacher, float)) <= 0).all()
    assert groups[-1].source == "oracle:perfect:1.0:0"
