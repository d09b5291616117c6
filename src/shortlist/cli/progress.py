"""Progress bars, on stderr and only where somebody looks."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shortlist.cli.output import errors_console
from shortlist.ingest import Event, FileRead, FilesFound, FileUnchanged


class IndexingProgress:
    """Counts files as they are committed."""

    def __init__(self) -> None:
        screen = errors_console()
        self._bar = Progress(
            TextColumn("indexing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[passages]} passages"),
            TimeElapsedColumn(),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )
        self._task: TaskID | None = None
        self._passages = 0

    def watch(self, event: Event) -> None:
        """Take notice of one event."""
        if isinstance(event, FilesFound):
            files = len(event.plan.added) + len(event.plan.touched)
            self._task = self._bar.add_task("indexing", total=files, passages=0)
        elif self._task is not None and isinstance(event, FileRead):
            self._passages += len(event.documents)
            self._bar.update(self._task, advance=int(event.is_last), passages=self._passages)
        elif self._task is not None and isinstance(event, FileUnchanged):
            self._bar.refresh()

    def __enter__(self) -> IndexingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class CountingProgress:
    """Counts units of one kind up to their number, which the first call tells."""

    def __init__(self, what: str, unit: str) -> None:
        screen = errors_console()
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
        self._bar = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._task: TaskID | None = None

    def watch(self, done: int, total: int) -> None:
        """Take notice of how many units are done."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=total)
        self._bar.update(self._task, completed=done)
        if done >= total:
            self._bar.stop()

    def __enter__(self) -> CountingProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
