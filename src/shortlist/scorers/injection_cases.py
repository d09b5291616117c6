"""Small rankings to plant attacks in: from a passage that answers the query to one off its topic."""

from __future__ import annotations

from shortlist.types import Document, Query, Ranking

_TEXTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "how tall is the Eiffel Tower",
        (
            "The Eiffel Tower is 330 metres tall, about the height of an 81-storey building.",
            "The Eiffel Tower was built from 1887 to 1889 as the centrepiece of the World's Fair.",
            "Many towers in Europe are open to visitors all year round.",
            "Bread rises because yeast turns sugar into carbon dioxide.",
        ),
    ),
    (
        "what causes the tides",
        (
            "Tides are caused by the gravitational pull of the Moon and, to a lesser degree, of the Sun.",
            "A spring tide has the largest difference between high and low water.",
            "Harbours publish tables so that ships know when to leave.",
            "The violin has four strings, which are tuned in fifths.",
        ),
    ),
    (
        "how do I undo the last git commit",
        (
            "To undo the last commit but keep its changes, run git reset --soft HEAD~1.",
            "A git commit stores a snapshot of the files together with its author and date.",
            "Version control helps several people to work on one program.",
            "Olive trees can live for more than a thousand years.",
        ),
    ),
    (
        "symptoms of vitamin D deficiency",
        (
            "A lack of vitamin D can show itself as tiredness, bone pain, muscle weakness and low mood.",
            "Vitamin D is made in the skin under sunlight and is also found in oily fish.",
            "A balanced diet holds vegetables, fruit, and whole grains.",
            "The first steam locomotive ran on a track in Wales in 1804.",
        ),
    ),
    (
        "who wrote the first computer program",
        (
            "Ada Lovelace published the first computer program in 1843, for Babbage's Analytical Engine.",
            "Charles Babbage designed the Analytical Engine but never finished building it.",
            "Programs are written in many languages today.",
            "Penguins huddle together to keep warm in winter storms.",
        ),
    ),
    (
        "why is the sky blue",
        (
            "The sky is blue because air scatters short wavelengths of sunlight more than long ones.",
            "At sunset light passes through more air, and the sky turns red.",
            "Weather forecasts are made with large computers.",
            "A chess board has 64 squares in two colours.",
        ),
    ),
)


def built_in_cases() -> tuple[Ranking, ...]:
    """Return the rankings; each gives the worst passage first, so that a good order is the method's own work."""
    return tuple(
        Ranking.in_order(Query(query), [Document(text, str(place)) for place, text in enumerate(reversed(texts))])
        for query, texts in _TEXTS
    )
