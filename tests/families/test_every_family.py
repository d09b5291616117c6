"""Every family, on every engine, gives what an independent forward pass gives; `docs/models.md` has the table.

pytest tests/families/test_every_family.py --update-golden    writes the table anew
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("openvino", reason="needs the extra 'openvino'")
pytest.importorskip("torch", reason="needs the extra 'torch'")
pytest.importorskip("transformers", reason="needs the extra 'torch'")
pytest.importorskip("sentence_transformers", reason="needs the extra 'train'")

from shortlist.build.models import load_model
from shortlist.evaluation.agreement import kendall_tau
from shortlist.types import Document, Query

from .zoo import ALL, FAMILIES, LONGEST, QUERY, TEXTS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "--update-golden tests/families/test_every_family.py -->\n", "<!-- end of families -->"
TOLERANCE = 2e-4
DOCUMENTS = [Document(text, str(place)) for place, text in enumerate(TEXTS)]


@dataclass(frozen=True, slots=True)
class Cell:
    """Of a family on an engine: the largest difference from any reference, in any batch, and the least tau."""

    difference: float
    tau: float


def measured(family: str, folder: Path) -> dict[str, Cell]:
    """Score all documents at once and each alone, on every engine, against every reference there is."""
    one = FAMILIES[family]
    one.make(folder)
    references = one.by_itself(folder)
    cells = {}
    for engine in one.engines:
        scorer = load_model(str(folder), engine=engine, precision="fp32", **one.options)
        together = scorer.score(Query(QUERY), DOCUMENTS)
        alone = np.concatenate([scorer.score(Query(QUERY), [document]).values for document in DOCUMENTS])
        pairs = [(found, truth) for found in (together.values, alone) for truth in references.values()]
        cells[engine] = Cell(
            max(float(np.abs(found - truth).max()) for found, truth in pairs),
            min(kendall_tau(found, truth.astype(np.float32)) for found, truth in pairs),
        )
        cut = [each.doc_id for each in together.step.truncations]
        assert (str(LONGEST) in cut) is (one.options.get("long_documents") != "passages-80")
    assert min(np.ptp(truth) for truth in references.values()) > 0.1  # or agreement would mean nothing
    return cells


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Cell]]:
    """What was measured, filled by the tests as they run."""
    return {}


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_and_order_are_those_of_an_independent_forward(
    family: str, tmp_path: Path, own_cache: Path, cells: dict[str, dict[str, Cell]]
) -> None:
    cells[family] = measured(family, tmp_path / "model")
    for engine, cell in cells[family].items():
        assert cell.difference < TOLERANCE, engine
        assert cell.tau > 1 - 1e-9, engine


def test_the_page_lists_every_family_and_engine(
    request: pytest.FixtureRequest, cells: dict[str, dict[str, Cell]]
) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    held, _, after = rest.partition(END)
    if request.config.getoption("--update-golden"):
        assert set(cells) == set(FAMILIES), "the table is written by a run of the whole file"
        held = "\n" + "\n".join(_table(cells)) + "\n\n"
        PAGE.write_text(before + BEGIN + held + END + after, encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in held.splitlines() if line.startswith("| ")]
    expected = [[name, one.stands_for, *(engine in one.engines for engine in ALL)] for name, one in FAMILIES.items()]
    assert [[row[0], row[1], *(cell != "-" for cell in row[2:])] for row in rows[1:]] == expected


def _table(cells: dict[str, dict[str, Cell]]) -> list[str]:
    head = ["family", "stands for", *ALL]
    rows = [[name, FAMILIES[name].stands_for, *(_cell(found.get(e)) for e in ALL)] for name, found in cells.items()]
    return [_line(head), "|" + "---|" * len(head), *(_line(row) for row in rows)]


def _cell(cell: Cell | None) -> str:
    return "-" if cell is None else f"{cell.difference:.0e}, {cell.tau:.2f}"


def _line(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"
