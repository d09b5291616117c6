"""Measures, significance, test collections and reports: how good a ranking is, and how sure one may be."""

from shortlist.evaluation.collection import Collection, read_beir, write_beir
from shortlist.evaluation.measures import Measure, parse_measure, parse_measures
from shortlist.evaluation.outcome import PerQuery, audit, mean, per_query
from shortlist.evaluation.qrels import Qrels, read_qrels, write_qrels
from shortlist.evaluation.runs import Run, read_run, write_run

__all__ = [
    "Collection",
    "Measure",
    "PerQuery",
    "Qrels",
    "Run",
    "audit",
    "mean",
    "parse_measure",
    "parse_measures",
    "per_query",
    "read_beir",
    "read_qrels",
    "read_run",
    "write_beir",
    "write_qrels",
    "write_run",
]
