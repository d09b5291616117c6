"""The `shortlist` command."""

from shortlist.cli.app import main

__all__ = ["main"]
