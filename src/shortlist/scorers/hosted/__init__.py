"""Rerankers behind an HTTP API: hosted ones, and servers of one's own."""
