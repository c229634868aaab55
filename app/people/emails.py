"""E-mail addresses: those that stand in a text, whatever stands around them."""

from __future__ import annotations

import re

from app.people.text import visible

# What is never part of an address as people have them; the second part of it ends behind its last letter or digit.
_APART = r"\s,;:|<>()\[\]{}\"„“”«»‹›…@"
_ADDRESS = re.compile(rf"\w[^{_APART}]*@(?:[^{_APART}/?&=]*[^\W_])?")


def addresses(text: str) -> list[str]:
    """Each address as it is written, without what surrounds it; one that is half typed may end with its ``@``."""
    return _ADDRESS.findall(visible(text)) if "@" in text else []


def without(text: str) -> str:
    """What else stands in the text."""
    return _ADDRESS.sub(" ", visible(text))
