"""Rerankers of other projects and ours, each in a process of its own; these modules run without shortlist."""
