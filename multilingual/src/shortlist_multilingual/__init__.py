"""A packaged model of shortlist for languages of Latin script; shortlist finds it by this package's name."""

__version__ = "0.1.0"
