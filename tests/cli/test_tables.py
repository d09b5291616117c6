"""Tables in terminals of every width: nothing is cut, and no name or figure is broken."""

from __future__ import annotations

import pytest

from shortlist.cli.tables import laid_out

HEADER = ["system vs baseline", "difference", "p (Holm)"]
ROWS = [["bm25@50 > shortlist-l6 vs bm25@50", "-.0172 [-.04, +.01]", ".2179"], ["b", "+.1", "< .0001"]]


def test_names_stand_beside_the_figures_where_there_is_room() -> None:
    assert laid_out(HEADER, ROWS, width=70) == [
        "system vs baseline                   difference  p (Holm)",
        "bm25@50 > shortlist-l6 vs bm25@50        -.0172     .2179",
        "                                   [-.04, +.01]",
        "b                                           +.1   < .0001",
    ]


def test_headers_are_broken_before_names_move() -> None:
    assert laid_out(HEADER, ROWS, width=56)[:3] == [
        "system vs baseline                   difference        p",
        "                                                  (Holm)",
        "bm25@50 > shortlist-l6 vs bm25@50        -.0172    .2179",
    ]


def test_only_names_for_which_there_is_no_room_get_lines_of_their_own() -> None:
    assert laid_out(HEADER, ROWS, width=41) == [
        "system vs baseline    difference        p",
        "                                   (Holm)",
        "bm25@50 > shortlist-l6 vs bm25@50",
        "                          -.0172    .2179",
        "                    [-.04, +.01]",
        "b                            +.1  < .0001",
    ]


@pytest.mark.parametrize("width", [1, 20])
def test_figures_are_never_cut(width: int) -> None:
    assert laid_out(HEADER, ROWS, width=width) == [
        "system vs baseline",
        "      difference        p",
        "                   (Holm)",
        "bm25@50 > shortlist-l6 vs bm25@50",
        "          -.0172    .2179",
        "    [-.04, +.01]",
        "b            +.1  < .0001",
    ]


def test_wide_characters_keep_the_columns_straight_and_no_rows_are_a_header() -> None:
    assert laid_out(["a", "b"], [["排序", "1"], ["xyz", "22"]], width=80) == ["a      b", "排序   1", "xyz   22"]
    assert laid_out(["a", "b c"], [], width=80) == ["a  b c"]
