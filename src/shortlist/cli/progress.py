"""Progress bars, on stderr and only where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn

from shortlist.cli.output import errors_console
from shortlist.ingest import Event, FileRead, FilesFound, FileUnchanged


def bar(*columns: ProgressColumn) -> Progress:
    """Return a bar that is shown while it is entered, and leaves nothing behind."""
    screen = errors_console()
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


@contextmanager
def indexing() -> Iterator[Callable[[Event], None]]:
    """Count files as they are committed; give what takes notice of one event."""
    passages = TextColumn("files, {task.fields[passages]} passages")
    task: TaskID | None = None
    found = 0
    with bar(TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), passages, TimeElapsedColumn()) as shown:

        def watch(event: Event) -> None:
            nonlocal task, found
            if isinstance(event, FilesFound):
                files = len(event.plan.added) + len(event.plan.touched)
                task = shown.add_task("indexing", total=files, passages=0)
            elif task is not None and isinstance(event, FileRead):
                found += len(event.documents)
                shown.update(task, advance=int(event.is_last), passages=found)
            elif task is not None and isinstance(event, FileUnchanged):
                shown.refresh()

        yield watch


@contextmanager
def counting(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Count units of one kind; give what takes notice of how many are done, of how many: at the first the bar shows."""
    shown = bar(TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    task: TaskID | None = None

    def watch(done: int, total: int) -> None:
        nonlocal task
        if task is None:
            shown.start()
            task = shown.add_task("", total=total)
        shown.update(task, completed=done)
        if done >= total:
            shown.stop()

    try:
        yield watch
    finally:
        shown.stop()
