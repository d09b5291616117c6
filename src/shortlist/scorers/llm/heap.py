"""The best few by asking only "which of these is the best?": a heap whose nodes have several children."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

Best = Callable[[Sequence[int]], int]  # of some places, the best one


def heap_top(places: Sequence[int], top: int, best: Best, *, children: int) -> Iterator[list[int]]:
    """Yield the best of `places`, at most `top` of them, as one after the other is found (heap sort, stopped early).

    The heap is filled with places as they come. `best` is asked about a node and its
    children at once: `children` is 2 for pairwise comparisons and more for setwise ones.
    """
    heap = list(places)
    for node in reversed(range(_first_leaf(len(heap), children))):
        _sift(heap, node, best, children)
    found: list[int] = []
    while heap and len(found) < top:
        found.append(heap[0])
        last = heap.pop()
        if heap:
            heap[0] = last
        yield list(found)
        if len(found) < top:
            _sift(heap, 0, best, children)


def heap_questions(count: int, top: int, *, children: int) -> int:
    """Return how often `best` is asked at most: each sift from a node asks once a level below it."""
    asked = sum(_height(node, count, children) for node in range(_first_leaf(count, children)))
    return asked + sum(_height(0, size, children) for size in range(count - 1, count - min(top, count), -1))


def _sift(heap: list[int], node: int, best: Best, children: int) -> None:
    while (first := node * children + 1) < len(heap):
        below = range(first, min(first + children, len(heap)))
        winner = best([heap[node], *(heap[child] for child in below)])
        if winner == heap[node]:
            return
        child = next(child for child in below if heap[child] == winner)
        heap[node], heap[child] = heap[child], heap[node]
        node = child


def _first_leaf(count: int, children: int) -> int:
    return (count - 2) // children + 1 if count > 1 else 0


def _height(node: int, count: int, children: int) -> int:
    height = 0
    while (node := node * children + 1) < count:
        height += 1
    return height
