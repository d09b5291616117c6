"""How many tokens a model reads in a millisecond, learned from the batches it did."""

from __future__ import annotations

from dataclasses import dataclass

_MEMORY = 0.8  # weight of what was learned before the last batch
_DOUBT = 0.05
_GUESS_MS = 50.0


@dataclass(slots=True)
class Throughput:
    """Tokens and busy milliseconds of late; batches may overlap, so time is counted from one end to the next.

    `tokens_per_ms` starts as a guess, worth one batch of 50 ms; what was learned below it can be doubted.
    """

    tokens: float
    busy_ms: float
    guess: float = 0.0
    last_end_ms: float = float("-inf")

    @classmethod
    def guessed(cls, tokens_per_ms: float) -> Throughput:
        """Start from a guess, such as a calibration or a short trial gives."""
        return cls(tokens_per_ms * _GUESS_MS, _GUESS_MS, tokens_per_ms)

    @property
    def tokens_per_ms(self) -> float:
        """The rate at present."""
        return self.tokens / self.busy_ms

    def ms_of(self, tokens: float) -> float:
        """Return how long so many tokens take."""
        return tokens / self.tokens_per_ms

    def tokens_in(self, ms: float) -> float:
        """Return how many tokens can be read in so many milliseconds."""
        return max(0.0, ms) * self.tokens_per_ms

    def learn(self, tokens: int, *, began_ms: float, ended_ms: float) -> None:
        """Take in a batch; what it did while another one ran is that other's time already."""
        busy = max(ended_ms - max(began_ms, self.last_end_ms), 0.01)
        self.last_end_ms = ended_ms
        self.tokens = self.tokens * _MEMORY + tokens
        self.busy_ms = self.busy_ms * _MEMORY + busy

    def doubt(self, tokens: int, left_ms: float) -> None:
        """Come a twentieth nearer to the guess by which so many tokens would have been read in the time that was left.

        A slow moment would else bar for ever what it keeps untried.
        """
        if tokens > self.guess * left_ms:
            return
        self.tokens += _DOUBT * max(0.0, self.guess * self.busy_ms - self.tokens)
