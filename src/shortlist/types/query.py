"""What is asked."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.errors import InputError


@dataclass(frozen=True, slots=True)
class Query:
    """A query text with its id in a run; the id may be empty.

    Raises InputError when the text is not a string, or is empty or only whitespace.
    """

    text: str
    query_id: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(f"a query must be a string, not {type(self.text).__name__}: {self.text!r:.80}")
        if not self.text.strip():
            raise InputError(f"the query is empty ({self.text!r:.80}); give it at least one word")

    @classmethod
    def of(cls, query: str | Query) -> Query:
        """Take a string for a query."""
        return query if isinstance(query, Query) else cls(query)
