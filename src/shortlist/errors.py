"""Every error that shortlist raises.

    ShortlistError
    ├── InputError              an argument or a request cannot be used (also a ValueError)
    ├── ScoreError              a model gave NaN, infinity or the wrong number of scores
    ├── SettingsError           a setting in a file or the environment cannot be used
    ├── WireError               a JSON value is not of its format; names the path (also a ValueError)
    ├── GenerationError         a language model did not answer, or not with what was asked
    │   └── PromptRefusedError      the server takes other prompts, but not this one
    │       └── PromptTooLongError      the prompt does not fit into the model's context
    ├── BudgetSpentError        the next call would pass a cap on calls, tokens or money
    ├── OverloadedError         this server has too much to do; says when to come again
    ├── MissingExtraError       an optional dependency is absent; names the install command
    ├── ModelError
    │   ├── ModelNotFoundError      no model of that name or at that path
    │   ├── CorruptModelError       files are damaged or incomplete
    │   ├── UnsupportedModelError   the architecture, the precision or the device cannot be run here
    │   └── OutOfMemoryError        a single sequence does not fit into the device's memory
    ├── RemoteError             another server gave no scores
    │   ├── AuthenticationError     it wants another key, or an account that may ask
    │   ├── RateLimitedError        it has too much to do
    │   ├── RemoteUnavailableError  it does not answer: no connection, too slow, cut off, its own failure
    │   ├── RemoteRequestError      it refuses the request as it is
    │   └── RemoteResponseError     its answer is not what the format promises
    └── StoreError
        ├── IndexNotFoundError      no index at that path
        ├── IndexLockedError        another process has it open
        ├── ReadOnlyIndexError      its folder takes no changes
        ├── IndexMismatchError      made with another model or schema version
        ├── CorruptIndexError       files are damaged
        └── StorageFullError        the disk is full; the last committed state is intact

A message says what happened, with which value, and what to do next.
"""

from __future__ import annotations


class ShortlistError(Exception):
    """Root of all errors that shortlist raises on purpose."""


class InputError(ShortlistError, ValueError):
    """An argument or a request cannot be used as it is."""


class ScoreError(ShortlistError):
    """A model returned something that is no ranking: NaN, infinity or a wrong count."""


class SettingsError(ShortlistError, ValueError):
    """A setting in a file or in the environment cannot be used."""


class WireError(ShortlistError, ValueError):
    """A JSON value is not of its format; the message names the path, what came and what was expected."""


class GenerationError(ShortlistError):
    """A language model did not answer, or its answer lacks what was asked for."""


class PromptRefusedError(GenerationError):
    """A server refuses this prompt as it is (HTTP 400 or 422); it may take others."""


class PromptTooLongError(PromptRefusedError):
    """A prompt does not fit into the language model's context; a shorter one may."""


class BudgetSpentError(ShortlistError):
    """The next call to a language model would pass a cap; nothing was asked."""


class OverloadedError(ShortlistError):
    """The server takes no more now; after `retry_after_ms`, as predicted, it will."""

    def __init__(self, message: str, *, retry_after_ms: float = 1000.0) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class MissingExtraError(ShortlistError, ImportError):
    """An optional dependency is not installed; the message holds the install command."""


class ModelError(ShortlistError):
    """A model cannot be loaded or run."""


class ModelNotFoundError(ModelError):
    """There is no model of that name or at that path."""


class CorruptModelError(ModelError):
    """A model's files are damaged or incomplete."""


class UnsupportedModelError(ModelError):
    """The architecture, the asked precision or the asked device cannot be run here."""


class OutOfMemoryError(ModelError):
    """A batch does not fit into the device's memory; the engine passes it on only for a batch of one."""


class RemoteError(ShortlistError):
    """Another server, hosted or one's own, gave no scores."""


class AuthenticationError(RemoteError):
    """The server wants a key, another key, or an account that may ask for this."""


class RateLimitedError(RemoteError):
    """The server has too many requests, of this caller or of all."""


class RemoteUnavailableError(RemoteError):
    """The server cannot be reached, is too slow, cut the answer off, or failed; or is not asked for a while."""


class RemoteRequestError(RemoteError):
    """The server refuses the request as it is."""


class RemoteResponseError(RemoteError):
    """The server's answer is not what its format promises."""


class StoreError(ShortlistError):
    """An index cannot be read or written."""


class IndexNotFoundError(StoreError):
    """There is no index at that path."""


class IndexLockedError(StoreError):
    """Another process has the index open for writing."""


class ReadOnlyIndexError(StoreError):
    """The index's folder cannot be written to."""


class IndexMismatchError(StoreError):
    """The index was made with another model or another schema version."""


class CorruptIndexError(StoreError):
    """The index's files are damaged."""


class StorageFullError(StoreError):
    """The disk is full; the last committed state is intact."""
