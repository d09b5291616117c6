"""Scores into probabilities: fits from labels, and how far they are off."""
