"""Numbers as a reader wants them: .4711, +.0210, < .0001, 12 ms."""

from __future__ import annotations


def short(value: float) -> str:
    """Return a measure's value with four digits: `.5058`, `1.0000`."""
    return f"{value:.4f}".removeprefix("0")


def signed(value: float) -> str:
    """Return a difference with its sign: `+.0210`."""
    text = f"{value:+.4f}"
    return text[0] + text[1:].removeprefix("0")


def p_value(p: float) -> str:
    """Return a p value with as many digits as it has a meaning."""
    return "< .0001" if p < 0.0001 else f"{p:.4f}".removeprefix("0")


def milliseconds(value: float) -> str:
    """Return a latency with two or three digits that mean something."""
    if value >= 1000:
        return f"{value / 1000:#.3g} s" if value < 99_950 else f"{value / 1000:.0f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2f} ms"


def count(value: float) -> str:
    """Return a mean count."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def plain(value: float) -> str:
    """Return an axis label without needless zeros: `.5`, `20`, `1500`."""
    text = f"{value:.10g}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
