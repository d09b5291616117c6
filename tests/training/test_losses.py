"""Every loss against a formula written out in plain Python, and its gradient against finite differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from shortlist.errors import InputError
from shortlist.training.losses import LABEL_LOSSES, TEACHER_LOSSES, find_loss
from shortlist.training.losses.targets import Targets

Row = Sequence[float]
Formula = Callable[[Row, Row, Row], float]

SCORES = ((2.0, 0.5, -1.0, 0.3), (0.1, 0.7, 0.2), (-0.4, 1.5, 0.9, -2.0))
LABELS = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.25, 0.0, 1.0, 0.5))
TEACHER = ((3.0, 1.0, -2.0, 0.5), (0.5, 0.25, -1.0), (-1.0, 0.0, 2.0, 1.0))


def logistic(gap: float) -> float:
    return math.log(1 + math.exp(-gap))


def shares(scores: Row) -> list[float]:
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def binary(s: Row, y: Row, t: Row) -> float:
    odds = [1 / (1 + math.exp(-one)) for one in s]
    return sum(-a * math.log(p) - (1 - a) * math.log(1 - p) for a, p in zip(y, odds, strict=True))


def softmax(s: Row, y: Row, t: Row) -> float:
    return -sum(a / sum(y) * math.log(p) for a, p in zip(y, shares(s), strict=True))


def kl(s: Row, y: Row, t: Row) -> float:
    return sum(q * math.log(q / p) for q, p in zip(shares(t), shares(s), strict=True))


def pairwise(above: Row, loss: Callable[[int, int], float]) -> float:
    pairs = [(i, j) for i, j in itertools.permutations(range(len(above)), 2) if above[i] > above[j]]
    return sum(loss(i, j) for i, j in pairs) / len(pairs)


def ranknet(s: Row, y: Row, t: Row) -> float:
    return pairwise(y, lambda i, j: logistic(s[i] - s[j]))


def permutation(s: Row, y: Row, t: Row) -> float:
    return pairwise(t, lambda i, j: logistic(s[i] - s[j]))


def margin_mse(s: Row, y: Row, t: Row) -> float:
    return pairwise(y, lambda i, j: ((s[i] - s[j]) - (t[i] - t[j])) ** 2)


def list_mle(s: Row, y: Row, t: Row) -> float:
    order = sorted(range(len(s)), key=lambda i: (-y[i], -t[i]))
    steps = [math.log(sum(math.exp(s[j]) for j in order[place:])) - s[i] for place, i in enumerate(order)]
    return sum(steps) / (len(s) - 1)  # the last place is certain


def lambda_loss(s: Row, y: Row, t: Row) -> float:
    order = sorted(range(len(s)), key=lambda i: -s[i])
    rank = {i: place for place, i in enumerate(order, 1)}
    ideal = sum((2**a - 1) / math.log2(1 + r) for r, a in enumerate(sorted(y, reverse=True), 1))
    total = 0.0
    for i, j in itertools.permutations(range(len(s)), 2):
        if y[i] > y[j]:
            gap = abs(2 ** y[i] - 2 ** y[j]) / ideal
            rho = abs(1 / math.log2(1 + rank[i]) - 1 / math.log2(1 + rank[j]))
            far = abs(rank[i] - rank[j])
            delta = abs(1 / math.log2(1 + far) - 1 / math.log2(2 + far))
            total += (rho + 10 * delta) * gap * logistic(s[i] - s[j]) / math.log(2)
    return total


FORMULAS: dict[str, Formula] = {
    "softmax": softmax,
    "ranknet": ranknet,
    "lambda": lambda_loss,
    "list-mle": list_mle,
    "kl": kl,
    "margin-mse": margin_mse,
    "permutation": permutation,
}
NAMES = [*LABEL_LOSSES, *TEACHER_LOSSES]


def filled(rows: Sequence[Row], filling: float) -> Any:
    return torch.tensor([[*row, *(filling,) * (4 - len(row))] for row in rows], dtype=torch.float64)


def targets(filling: float = 0.0) -> Targets:
    present = filled([[1.0] * len(row) for row in LABELS], 0.0).bool()
    return Targets(filled(LABELS, filling), filled(TEACHER, filling), present, present)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_the_mean_over_groups_of_its_formula(name: str) -> None:
    expected = [FORMULAS[name](*rows) for rows in zip(SCORES, LABELS, TEACHER, strict=True)]
    found = find_loss(name)(filled(SCORES, 0.0), targets())
    assert found.item() == pytest.approx(sum(expected) / len(expected), rel=1e-6)


def test_binary_cross_entropy_is_the_mean_over_pairs() -> None:
    expected = sum(binary(*rows) for rows in zip(SCORES, LABELS, TEACHER, strict=True)) / sum(map(len, SCORES))
    assert find_loss("binary")(filled(SCORES, 0.0), targets()).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_slopes(name: str) -> None:
    loss = find_loss(name)
    scores = filled(SCORES, 0.0).requires_grad_()
    loss(scores, targets()).backward()
    for row, column in itertools.product(range(3), range(4)):
        with torch.no_grad():
            up, down = scores.clone(), scores.clone()
            up[row, column] += 1e-6
            down[row, column] -= 1e-6
            slope = (loss(up, targets()) - loss(down, targets())) / 2e-6
        assert scores.grad[row, column].item() == pytest.approx(slope.item(), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filling", [-50.0, 50.0])
def test_what_only_fills_a_group_up_changes_nothing(name: str, filling: float) -> None:
    loss = find_loss(name)
    scores = filled(SCORES, filling).requires_grad_()
    found = loss(scores, targets(filling))
    assert found.item() == pytest.approx(loss(filled(SCORES, 0.0), targets()).item(), rel=1e-9)
    found.backward()
    assert scores.grad[1, 3].item() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_better_order_costs_less(name: str) -> None:
    loss = find_loss(name)
    right, wrong = filled(TEACHER, 0.0), -filled(TEACHER, 0.0)
    assert 0 <= loss(right, targets()).item() < loss(wrong, targets()).item()


@pytest.mark.parametrize("name", FORMULAS)
def test_groups_that_teach_nothing_cost_nothing_and_have_no_gradient(name: str) -> None:
    scores = torch.tensor([[1.0, -1.0]], requires_grad=True)
    nothing = torch.zeros(1, 2)
    present = torch.zeros(1, 2, dtype=torch.bool)
    loss = find_loss(name)(scores, Targets(nothing, nothing, present, present))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.abs().sum().item() == 0


def test_list_mle_does_not_order_what_nothing_tells_apart() -> None:
    """With one relevant passage and no teacher only its own place counts: the loss is the softmax's."""
    present = torch.ones(1, 4, dtype=torch.bool)
    labels, silent = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 4)
    scores = torch.tensor([[0.3, 1.0, -0.5, 0.2]])
    one = Targets(labels, silent, present, present)
    assert find_loss("list-mle")(scores, one).item() == pytest.approx(find_loss("softmax")(scores, one).item())


def test_list_mle_orders_nothing_by_a_teacher_that_scored_a_part_of_a_group() -> None:
    present, silent = torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 4)
    labels, scores = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.3, 1.0, -0.5, 0.2]])
    partly = Targets(labels, torch.tensor([[3.0, -2.0, -4.0, 0.0]]), present, torch.tensor([[True, True, True, False]]))
    unheard = Targets(labels, silent, present, silent.bool())
    assert find_loss("list-mle")(scores, partly).item() == find_loss("list-mle")(scores, unheard).item()


def test_an_unknown_loss_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="softmax, binary"):
        find_loss("hinge")
