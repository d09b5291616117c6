"""Keys of hosted APIs: where they come from, and how they stay out of sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.errors import AuthenticationError


class Secret:
    """A key that shows itself only to `reveal`: not in repr, str, formatting or pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key, for the header it goes into."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written down; find it in the environment again")


def find_key(
    given: str | Secret | None, variables: Sequence[str], environ: Mapping[str, str], *, required: bool
) -> Secret | None:
    """Return the key that is given, else that of the first variable that is set.

    Raises AuthenticationError that names the variables when a required key is nowhere, or
    when the key holds what no HTTP header can.
    """
    if isinstance(given, Secret):
        return given
    found = given or next((environ[name] for name in variables if environ.get(name)), "")
    key = found.strip()
    if key and not (key.isascii() and key.isprintable()):
        raise AuthenticationError("the key has characters that no HTTP header can hold; was it copied whole?")
    if not key and required:
        raise AuthenticationError(f"no key: set {' or '.join(variables)} in the environment, or give api_key=...")
    return Secret(key) if key else None
