"""Pieces of documents: cutting on structure before indexing, and on tokens before scoring."""
