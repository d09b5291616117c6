"""How good a ranking is, and how far two of them agree."""
