"""Which passages a listwise model sees together, and what follows from its orders.

Every plan is given places, in the order that it begins with, and `rank`, which orders several
groups of them at once and independently; it yields ever better orders of all places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

Order = list[int]
Rank = Callable[[Sequence[Order]], list[Order]]
Plan = Callable[[Sequence[int], Rank], Iterator[Order]]


def spans(count: int, window: int, step: int) -> list[tuple[int, int]]:
    """Return the windows of one pass as [start, end), from the back to the front; no window for a single passage.

    Every passage is in one, and the first window (the last of the list) begins at 0. There
    are ceil((count - window) / step) + 1 of them when count > window, else one. `step` is below `window`.
    """
    if count < 2:
        return []
    ends = range(count, window, -step)
    return [*((end - window, end) for end in ends), (0, count - step * len(ends))]


def sliding(places: Sequence[int], rank: Rank, *, window: int, step: int, passes: int = 1) -> Iterator[Order]:
    """Slide a window from the back to the front, `passes` times (RankGPT: Sun et al. 2023).

    The best `window - step` of each window meet the next one, so that with a perfect ranker
    so many at the front are right after one pass, and as many more after each other pass.
    """
    order = list(places)
    for _ in range(passes):
        for start, end in spans(len(order), window, step):
            order[start:end] = rank([order[start:end]])[0]
            yield list(order)


def top_down(places: Sequence[int], rank: Rank, *, window: int) -> Iterator[Order]:
    """Order the first window, then show all others, window by window and independently, beside its median.

    Those that beat it join the upper half and are ordered again (Parry et al. 2024,
    "Top-Down Partitioning for Efficient List-Wise Ranking"). With a perfect ranker all that
    beat the last pivot are in their right order.
    """
    yield from _top_down(list(places), rank, window)


def _top_down(items: Order, rank: Rank, window: int) -> Iterator[Order]:
    if len(items) < 2:
        return
    if len(items) <= window:
        yield rank([items])[0]
        return
    first = rank([items[:window]])[0]
    middle = window // 2 - 1
    above, pivot, below = first[:middle], first[middle], first[middle + 1 :]
    rest = items[window:]
    yield [*first, *rest]
    groups = [[pivot, *rest[start : start + window - 1]] for start in range(0, len(rest), window - 1)]
    better: Order = []
    for order in rank(groups):
        better += order[: order.index(pivot)]
    beaten = set(better)
    tail = [pivot, *below, *(place for place in rest if place not in beaten)]
    yield [*above, *better, *tail]
    if better:
        for head in _top_down([*above, *better], rank, window):
            yield [*head, *tail]


def tournament(places: Sequence[int], rank: Rank, *, window: int) -> Iterator[Order]:
    """Deal the passages into groups, let the better half of a window's size of each go on, until one group is left.

    Groups of a round are independent. With a perfect ranker the first `window // 2` are
    right: nobody among them can be beaten by so many (after TourRank, Chen et al. 2024).
    """
    left, out = list(places), Order()
    while len(left) > window:
        groups = dealt(left, -(-len(left) // window))
        ranked = rank(groups)
        ahead = [order[: window // 2] for order in ranked]
        behind = [order[window // 2 :] for order in ranked]
        left, out = interleaved(ahead), [*interleaved(behind), *out]
        yield [*left, *out]
    if len(left) > 1:
        yield [*rank([left])[0], *out]


def dealt(items: Sequence[int], groups: int) -> list[Order]:
    """Deal items into groups as cards, so that each has good and bad ones; sizes differ by one at most."""
    return [list(items[start::groups]) for start in range(groups)]


def interleaved(orders: Sequence[Order]) -> Order:
    """Return all first places, then all second ones, and so on."""
    longest = max(map(len, orders), default=0)
    return [order[place] for place in range(longest) for order in orders if place < len(order)]


def top_down_calls(count: int, window: int) -> int:
    """Return how many windows `top_down` ranks at most: as if every passage beat every pivot."""
    if count <= window:
        return int(count > 1)
    stays = window - window // 2 + 1  # the pivot and those below it
    return 1 + -(-(count - window) // (window - 1)) + top_down_calls(count - stays, window)


def tournament_calls(count: int, window: int) -> int:
    """Return how many windows `tournament` ranks."""
    calls, left = 0, count
    while left > window:
        groups = -(-left // window)
        calls += groups
        left = sum(min(len(group), window // 2) for group in dealt(range(left), groups))
    return calls + int(left > 1)
