"""The server: every rerank wire format in front of one queue a model, and a page to try it on.

A request's way: `guard.py` (key, limits, request id) - `routes/` (decode, one call, encode) - `asking.py` (a model's
name, limits, cuts) - `models/` (which model, its queue) - `scheduling/` (pure: what is scored next, for whom).
"""
