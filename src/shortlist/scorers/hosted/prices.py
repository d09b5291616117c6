"""What a call costs, from a dated price list that the user may replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist._toml import tomllib
from shortlist.errors import SettingsError
from shortlist.wire import Usage

_PACKAGED = Path(__file__).with_name("prices.toml")
_UNITS = {"1000 search units": 1_000, "1000000 tokens": 1_000_000}


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of a currency for so many units (see `prices.toml`), read on the day `as_of`."""

    amount: float
    currency: str
    per: str
    as_of: str

    def cost(self, usage: Usage) -> str:
        """Return what a usage costs, in words; empty when the server did not say what is billed."""
        counted = usage.search_units if self.per == "1000 search units" else usage.total_tokens
        if counted is None:
            return ""
        return f"{self.amount * counted / _UNITS[self.per]:.8f} {self.currency} (prices of {self.as_of})"


def find_price(provider: str, model: str, *, file: Path | str | None = None) -> Price | None:
    """Return a model's price in a list, or None where the list has none; raises SettingsError for a bad list."""
    path = Path(file) if file is not None else _PACKAGED
    table = _read(path)
    group = table.get(provider, {})
    if not isinstance(group, dict) or not isinstance(group.get("models", {}), dict):
        raise SettingsError(f"{path}: [{provider}] must be a table with `per` and a table `models`; got {group!r:.80}")
    amount = group.get("models", {}).get(model)
    if amount is None:
        return None
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
        raise SettingsError(f"{path}: the price of {model!r} must be a number from 0, got {amount!r}")
    if group.get("per") not in _UNITS:
        raise SettingsError(f"{path}: [{provider}] per must be one of {', '.join(_UNITS)}; got {group.get('per')!r}")
    return Price(float(amount), str(table.get("currency", "")), group["per"], str(table.get("as_of", "unknown date")))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the price list {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no valid TOML: {error}") from error
