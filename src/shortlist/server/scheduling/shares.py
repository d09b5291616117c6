"""Whose turn it is: every client gets an equal share of tokens, and within it short requests come first.

Between clients: start-time fair queueing (Goyal et al. 1996); the client that was served least
is next, and one that comes back does not claim what it left unused. Within a client a task's tag is what
the client was served when it came, plus its own size: equal tasks run in the order they came, a short
one passes a long one, and a long one waits for no more than its own size of later work.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from shortlist.server.scheduling.work import Task


@dataclass(slots=True)
class _Client:
    served: float  # virtual tokens, comparable between clients
    tasks: list[tuple[float, int, Task]] = field(default_factory=list)  # a heap by tag, then by arrival


class Shares:
    """Tasks that still have pairs to be taken, by client."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._passed: list[tuple[_Client, tuple[float, int, Task]]] = []
        self._now = 0.0  # the virtual time: what the client served last had been served
        self._count = 0

    def add(self, task: Task) -> None:
        """Line a task up behind those that its client should have first."""
        client = self._clients.setdefault(task.client, _Client(self._now))
        self._count += 1
        task.order = self._count
        task.tag = client.served + task.size
        heapq.heappush(client.tasks, (task.tag, task.order, task))

    def next(self) -> Task | None:
        """Return the task to be served now; the same one until it is charged, passed over or has no more pairs."""
        while waiting := [client for client in self._clients.values() if client.tasks]:
            client = min(waiting, key=lambda one: one.served)
            task = client.tasks[0][2]
            if task.pending and not task.is_over:
                self._now = max(self._now, client.served)
                return task
            heapq.heappop(client.tasks)
        return None

    def charge(self, task: Task, tokens: int) -> None:
        """Count what a task's client was served."""
        self._clients[task.client].served += tokens

    def pass_over(self, task: Task) -> None:
        """Leave the next task out until the end of this turn."""
        client = self._clients[task.client]
        self._passed.append((client, heapq.heappop(client.tasks)))

    def end_turn(self) -> None:
        """Bring back what was passed over, and forget clients that have nothing more."""
        for client, entry in self._passed:
            heapq.heappush(client.tasks, entry)
        self._passed = []
        self._clients = {name: client for name, client in self._clients.items() if client.tasks}
