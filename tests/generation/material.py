"""Documents with places, and strategies for them."""

from __future__ import annotations

from hypothesis import strategies as st

from shortlist.types import Document, Place

WORDS = ["the", "tower", "is", "330", "metres", "tall", "[1]", "</passage>", "of", "iron.", "cats", "hunt", "\nnew"]


def passage(doc_id: str, text: str, lines: tuple[int, int] = (0, 0), path: str = "a.md", title: str = "") -> Document:
    """Return a document with a place."""
    return Document(text, doc_id, title, {"id": doc_id}, Place(path, *lines))


def texts() -> st.SearchStrategy[str]:
    """Texts of a few words, some of which look like marks."""
    return st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)


@st.composite
def rankings(draw: st.DrawFn) -> list[Document]:
    """Up to a dozen passages of two files, which do not overlap, in any order."""
    documents = []
    for path in ("a.md", "b.md"):
        line = 1
        for number, text in enumerate(draw(st.lists(texts(), max_size=6))):
            line += draw(st.integers(0, 3))
            last = line + text.count("\n")
            documents.append(passage(f"{path}{number}", text, (line, last), path, draw(st.sampled_from(["", "Top"]))))
            line = last + 1
    return draw(st.permutations(documents))
