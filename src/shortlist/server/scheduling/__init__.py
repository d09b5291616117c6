"""What is scored next, for whom: pure decisions over pairs that wait, with the clock as an argument."""
