"""A query in pieces, as people type and paste it: without titles, and without what only surrounds a piece."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.people.text import fold, visible, words

# Titles and the like of the five languages, folded: with a dot wherever they stand, and in front of a name without one.
TITLES = """
ing arch mgr mga bc dis mudr mddr mvdr judr phdr rndr paeddr pharmdr thdr doc prof dr csc drsc phd mba llm pi
mr mrs ms sr sra srta dna tel mob тел моб

pan pani slecna mr mrs ms miss senor senora senorita гн гжа господин госпожа
"""
ABBREVIATED, SPOKEN = (frozenset(some.split()) for some in TITLES.split("\n\n"))
# A comma is a piece: what stands on its two sides is never one number.
_COMMAS = frozenset(",;|")
_PIECE = re.compile(r"[,;|]|[^\s,;|]+")
_LINK = re.compile(r"\A(?:mailto|tel):(?://)?([^?]*).*", re.IGNORECASE | re.DOTALL)
_AROUND = "<>[]{}:!?\"„“”«»‹›‚‘’'`*_…"


def pieces(query: str) -> list[str]:
    """The pieces, commas among them; titles only where there is nothing else."""
    every = [bare(piece) for piece in _PIECE.findall(visible(query))]
    named = list(_untitled(every))
    return named if any(map(str.isalnum, "".join(named))) else every


def bare(piece: str) -> str:
    """The piece without quotes and brackets, and without the ``mailto:`` or ``tel:`` of a link."""
    return _LINK.sub(r"\1", piece.strip(_AROUND)).strip(_AROUND)


def _untitled(every: list[str]) -> Iterator[str]:
    first = True
    for piece in every:
        title = "@" not in piece and fold("".join(words(piece)))
        if not (title in SPOKEN and first) and not (title in ABBREVIATED and piece.endswith(".")):
            yield piece
        first = piece in _COMMAS
