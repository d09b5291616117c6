"""Formats of one flat object each way: a table of what they call things makes the dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import count_said, text_said
from shortlist.wire.dialect import UNLIMITED, Dialect, Limits, bearer
from shortlist.wire.documents import as_text, read_document, read_strings
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, Usage, WireDocument, check_said


@dataclass(frozen=True, slots=True)
class Option:
    """An optional member of a request: its name, and how its value is read and written."""

    name: str
    read: Callable[[At], Any]
    write: Callable[[Any], Any] = lambda value: value


def whole(name: str) -> Option:
    """Return an option that is a whole number from 1."""
    return Option(name, lambda at: at.whole(1))


def truth(name: str) -> Option:
    """Return an option that is true or false."""
    return Option(name, At.truth)


@dataclass(frozen=True, slots=True)
class Flat:
    """What a format calls things.

    A request has `query`, a list named `documents`, a `model`, and `options`, under the fields of a RerankRequest
    that they say. A response has a list named `results`, whose items have an `index`, a score named `score` and, where
    it is sent back, a `document`; a `usage` with `counts`, each with the field of Usage that it says (of several for
    one field the last is read); and what `about` makes, of which only `model` is read.
    """

    name: str
    documents: str
    options: Mapping[str, Option]
    results: str
    score: str
    counts: Mapping[str, str]
    document: str = ""
    needs_model: bool = False
    read_documents: Callable[[At], tuple[WireDocument, ...]] = read_strings
    write_document: Callable[[WireDocument], Any] = as_text
    write_back: Callable[[WireDocument], Any] = as_text
    about: Callable[[RerankResponse], dict[str, Any]] = lambda response: {"model": response.model}

    def dialect(
        self,
        *,
        paths: tuple[str, ...],
        score_kind: ScoreKind,
        encode_error: Callable[[Fault, str], ErrorReply],
        limits: Limits = UNLIMITED,
        returns_documents: bool = False,
        headers: Callable[[str], Mapping[str, str]] = bearer,
    ) -> Dialect:
        """Return the dialect; a field that it does not know is ignored."""
        return Dialect(
            name=self.name,
            paths=paths,
            limits=limits,
            fields=self._fields(),
            score_kind=score_kind,
            returns_documents=returns_documents,
            encode_request=self.encode_request,
            decode_request=self.decode_request,
            encode_response=self.encode_response,
            decode_response=self.decode_response,
            encode_error=encode_error,
            headers=headers,
        )

    def encode_request(self, request: RerankRequest) -> dict[str, Any]:
        """Return the request's body."""
        check_said(request, dialect=self.name, fields_of=self._fields())
        values = {option: getattr(request, field) for field, option in self.options.items()}
        options = {option.name: option.write(value) for option, value in values.items() if value is not None}
        model = {"model": request.model} if self.needs_model else said(model=request.model)
        documents = [self.write_document(document) for document in request.documents]
        return {**model, "query": request.query, self.documents: documents, **options}

    def decode_request(self, body: Any) -> RerankRequest:
        """Read a request's body."""
        at = At(body)
        found = {field: (option, at.get(option.name)) for field, option in self.options.items()}
        return RerankRequest(
            at["query"].text(),
            self.read_documents(at[self.documents]),
            model=at["model"].text() if self.needs_model else text_or(at.get("model")),
            **{field: option.read(value) for field, (option, value) in found.items() if value is not None},
        )

    def encode_response(self, response: RerankResponse) -> dict[str, Any]:
        """Return the response's body, with those documents that the response holds."""
        usage = said(**{name: getattr(response.usage, field) for name, field in self.counts.items()})
        results = [self._result(result) for result in response.results]
        return {**self.about(response), **({"usage": usage} if usage else {}), self.results: results}

    def decode_response(self, body: Any, request: RerankRequest) -> RerankResponse:
        """Read the response to a request."""
        at = At(body)
        return RerankResponse(
            read_results(at[self.results], request, score=self.score, document=self._sent_back),
            model=text_said(at, "model"),
            usage=Usage(**{field: count_said(at, "usage", name) for name, field in self.counts.items()}),
        )

    def _fields(self) -> frozenset[str]:
        return frozenset({"model", *self.options})

    def _result(self, result: RerankResult) -> dict[str, Any]:
        body = {"index": result.index, self.score: result.score}
        if result.document is None or not self.document:
            return body
        return {**body, self.document: self.write_back(result.document)}

    def _sent_back(self, item: At) -> WireDocument | None:
        found = item.get(self.document) if self.document else None
        return None if found is None else read_document(found)
