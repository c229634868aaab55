"""What else a name is asked for by than the words in it. All of it costs entries of the index only where it applies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.people.text import split

_LETTERS = re.compile(r"(?<!\w)[^\W\d_](?:[.\s]{1,2}[^\W\d_](?!\w))+")
_HAN_OR_HANGUL = "\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3\U00020000-\U0003ffff"
_FAMILY_FIRST = re.compile(f"[{_HAN_OR_HANGUL}]{{2}}|[{_HAN_OR_HANGUL}][\u3040-\u30ff]")
# Letters that Russian has not, and what the others mean beside them.
_UKRAINIAN = re.compile("[іїєґ]", re.IGNORECASE)
_SPOKEN = str.maketrans("гиГИ", "hyhy")


def further(name: str) -> Iterator[str]:
    """More words by which it is found: ``sro`` for s.r.o., 小明 for 王小明, ``serhii`` for Сергій."""
    for letters in _LETTERS.findall(name):
        if "." in letters:
            yield "".join(split(letters))
    if not name.isascii():
        for word in split(name):
            yield from _given(word)
            if _UKRAINIAN.search(name):
                yield word.translate(_SPOKEN)


def _given(word: str) -> Iterator[str]:
    """Behind a surname of one character, and where there are enough of two."""
    if _FAMILY_FIRST.match(word):
        yield from (word[length:] for length in (1, 2) if len(word) >= 2 * length)
