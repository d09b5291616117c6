"""Import optional dependencies, or say how to install them."""

from __future__ import annotations

import importlib
from types import ModuleType

from shortlist.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs.

    Raises MissingExtraError with the exact install command when the module itself is
    absent. An import error inside an installed module is passed on as it is.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        message = f"{module} is not installed. Install it with: pip install 'shortlist[{extra}]'"
        raise MissingExtraError(message) from error
