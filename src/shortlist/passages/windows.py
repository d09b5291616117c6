"""Long documents for short models: which tokens are read, and how several scores become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Span = tuple[int, int]

SHORT = 128  # tokens of a passage


class LongDocuments(str, Enum):
    """What to do with a document that does not fit into the model.

    `HEAD` reads the beginning (FirstP), `HEAD_TAIL` the beginning and the end,
    `PASSAGES_MAX` all of it in overlapping passages, scored by the best one (MaxP); both
    names are of Dai & Callan 2019, https://arxiv.org/abs/1905.09217. `PASSAGES_SHORT` reads
    what `HEAD` does, and what is longer than `SHORT` tokens so: small models judge a paragraph better
    than a page. `PASSAGES_80` is the way of jina-reranker-v2: passages that overlap by 80
    tokens, with half of the model's length kept from the query. `ERROR` refuses.
    """

    ERROR = "error"
    HEAD = "head"
    HEAD_TAIL = "head+tail"
    PASSAGES_MAX = "passages-max"
    PASSAGES_SHORT = "passages-short"
    PASSAGES_80 = "passages-80"

    @classmethod
    def _missing_(cls, value: object) -> LongDocuments:
        raise InputError(f"long_documents must be one of {', '.join(how.value for how in cls)}; got {value!r}")


_OVERLAPS: dict[LongDocuments, Callable[[int], int]] = {
    LongDocuments.PASSAGES_MAX: lambda room: room // 8,
    LongDocuments.PASSAGES_80: lambda room: min(80, room // 4),
}


def windows(total: int, room: int, how: LongDocuments, *, doc_id: str = "") -> list[list[Span]]:
    """Return what the model reads of `total` tokens when `room` fit: a list of readings, each a list of spans.

    A document that fits is one reading of one span. Passages overlap by an eighth of the
    room, or by 80 tokens or a quarter of the room if that is less (`PASSAGES_80`), and the last
    one, as long as the others, ends at the document's end; `PASSAGES_SHORT` makes them as short as
    their number allows. Raises InputError for `ERROR` when it does not fit.
    """
    if how is LongDocuments.PASSAGES_SHORT:
        return [[span] for span in _alike(min(total, room), min(room, SHORT))]
    if total <= room:
        return [[(0, total)]]
    if how is LongDocuments.HEAD:
        return [[(0, room)]]
    if how is LongDocuments.HEAD_TAIL:
        head = room - room // 4
        return [[(0, head), (total - (room - head), total)]]
    if how in _OVERLAPS:
        stride = room - _OVERLAPS[how](room)
        starts = [*range(0, total - room, stride), total - room]
        return [[(start, start + room)] for start in starts]
    raise InputError(
        f"document {doc_id!r} has {total} tokens and the model reads {room}; shorten it,"
        " or choose long_documents='head', 'head+tail', 'passages-max', 'passages-short' or 'passages-80'"
    )


def tokens_seen(readings: Sequence[Sequence[Span]]) -> int:
    """Return how many of a document's tokens are in what `windows` returned; what is read twice counts once."""
    return sum(end - start for start, end in readings[0]) if len(readings) == 1 else readings[-1][-1][1]


def _alike(total: int, room: int) -> list[Span]:
    """Return as few spans of at most `room` as overlap by an eighth of it, all of one length."""
    if total <= room:
        return [(0, total)]
    overlap = room // 8
    count = -(-(total - overlap) // (room - overlap))
    length = -(-(total + (count - 1) * overlap) // count)
    starts = [(total - length) * at // (count - 1) for at in range(count)]
    return [(start, start + length) for start in starts]


def best_of(scores: npt.NDArray[np.float32], owners: Sequence[int], count: int) -> npt.NDArray[np.float32]:
    """Reduce scores `[readings]` to `[count]`: the highest of each owner's; every owner must have one."""
    best = np.full(count, -np.inf, dtype=np.float32)
    with np.errstate(invalid="ignore"):  # a NaN goes through, up to the ranking, which names the document
        np.maximum.at(best, np.asarray(owners, dtype=np.intp), scores)
    return best
