"""Side by side: a system in a process, the count of operations, the tables."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.speed.plots import save_lines
from benchmarks.speed.processes import Worker
from benchmarks.speed.roofline import Encoder
from benchmarks.speed.side_by_side import BASELINE, REFERENCE, report

from shortlist import Reranker
from shortlist.errors import InputError
from shortlist.inference.models import find_model

MINILM = Encoder(layers=6, hidden=384, feed=1536)
HARDWARE = {"processor": "x", "usable_cores": 1, "instructions": [], "system": "y", "load_at_start": 0}
TEXTS = ["It is of iron.", "It is 330 m tall.", "Bananas are yellow."]


def test_a_worker_gives_the_scores_of_its_system_in_the_given_order(tmp_path: Path) -> None:
    (tmp_path / "torch").symlink_to(find_model("shortlist-minilm-l6").path)
    worker = Worker("shortlist fp32", sys.executable, tmp_path, log=tmp_path / "log.txt")
    try:
        worker.warm_up("how tall?", TEXTS[:1])
        answer = worker.ask("how tall?", TEXTS)
    finally:
        worker.close()
    ranking = Reranker("shortlist-minilm-l6", precision="fp32").rank("how tall?", TEXTS)
    expected = {item.doc_id: item.score for item in ranking}
    assert answer.scores.tolist() == pytest.approx([expected[str(place)] for place in range(3)], abs=1e-4)
    assert answer.ms > 0
    assert worker.cold_start_s * 1000 > answer.ms
    assert worker.version.startswith("shortlist ")


def test_a_worker_that_cannot_start_names_its_log(tmp_path: Path) -> None:
    worker = Worker("no such system", sys.executable, tmp_path, log=tmp_path / "log.txt")
    with pytest.raises(InputError, match="no such system ended before it answered"):
        worker.warm_up("q", ["d"])
    worker.close()
    assert "KeyError" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_operations_are_counted_as_products_of_matrices() -> None:
    one_layer = Encoder(layers=1, hidden=4, feed=16)
    tokens, hidden, feed = 3, 4, 16
    projections, mixing = 4 * 2 * tokens * hidden * hidden, 2 * 2 * tokens * tokens * hidden
    assert one_layer.operations([3], first_only=False) == projections + mixing + 2 * 2 * tokens * hidden * feed
    first = 2 * 2 * tokens * hidden * hidden + 2 * 2 * hidden * hidden + 2 * 2 * tokens * hidden + 2 * 2 * hidden * feed
    assert one_layer.operations([3]) == first
    assert MINILM.operations([100, 100]) == 2 * MINILM.operations([100])


def test_the_table_gives_medians_ratios_and_the_roofline() -> None:
    times = {
        REFERENCE: [900.0, 1000.0, 5000.0],
        BASELINE: [500.0, 500.0, 500.0],
        "shortlist auto": [200.0, 250.0, 260.0],
    }
    calls = [
        {"run": 0, "turn": turn, "system": name, "tokens": 60, "pairs": 50, "ms": ms, "peak_mb": 100.0 + turn}
        | {"gflop": 10.0, "gflop_whole": 12.0}
        for name, each in times.items()
        for turn, ms in enumerate(each)
    ]
    far = {"60": {"tau": 0.99, "largest": 0.02}}
    systems = {name: {"version": f"{name} 1", "cold_start_s": [1.0, 3.0, 2.0], "far": far} for name in times}
    run = {"command": "python", "when": "now", "versions": {}, "hardware": HARDWARE, "gflops": {"fp32": 100.0}}
    table = report({"runs": [run], "systems": systems, "calls": calls})
    assert "| shortlist auto | 3 | 200 | 2.00 | 4.00 | 250 | 259 | 40% |" in table
    assert f"| {BASELINE} | 3 | 100 | 1.00 | 2.00 | 500 | 500 | 24% |" in table
    assert "| roofline, fp32 |  | 500 |" in table
    assert "| shortlist auto | shortlist auto 1 | 2.0 | 102 | 0.990, 0.020 |" in table


def test_lines_end_with_their_names_and_bounds_are_dashed(tmp_path: Path) -> None:
    file = tmp_path / "lines.svg"
    save_lines(file, {"ours & theirs": [(0, 0), (10, 5)]}, x="n", y="ms", bounds={"roofline": [(0, 0), (10, 1)]})
    root = ElementTree.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ours & theirs", "roofline", "ms", "n"} <= set(texts)
    assert [line.get("class") for line in root.iter("{http://www.w3.org/2000/svg}path")] == ["line", "bound"]
