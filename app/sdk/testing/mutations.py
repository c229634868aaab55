"""Near misses of a text: every bit, byte and length of a proof, and of what a proof covers, one at a time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import re
import unicodedata
from collections.abc import Iterable, Iterator

Labelled = Iterator[tuple[str, str]]
DIGITS = "0123456789"
FULL_WIDTH = str.maketrans(DIGITS, "０１２３４５６７８９")
ARABIC = str.maketrans(DIGITS, "٠١٢٣٤٥٦٧٨٩")
URL_SAFE = str.maketrans("+/", "-_")
STANDARD = str.maketrans("-_", "+/")
MARGINS = (" ", "\t", "\n", "\r\n", "\0", "\u00a0", "\u200b", "\ufeff", "=", "0", "a", "%00", ";", ",", "é", "\\")
ODD = "\0\n ;&=%+é０٠\u200b\U0001f6d2'\"\\{}[]/-_.~"


def spelling_of(text: str) -> str:
    """How a proof is written: ``hex``, ``base64``, ``link`` (URL-safe, without padding), else ``free``."""
    if re.fullmatch("(?:[0-9a-f]{2}){16,}", text):
        return "hex"
    for spelling in ("base64", "link"):
        try:
            if len(text) > 20 and encoded(decoded(text, spelling), spelling) == text:
                return spelling
        except (binascii.Error, ValueError):
            continue
    return "free"


def sampled(near: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """About ``most`` of the near misses, evenly spread, with the first of every kind among them."""
    everything = list(near)
    step, kinds, chosen = max(1, len(everything) // most), set[str](), []
    for at, (label, text) in enumerate(everything):
        if label not in kinds or at % step == 0:
            chosen.append((label, text))
        kinds.add(label)
    return chosen


def spellings(text: str, spelling: str) -> Labelled:
    """Changed proofs: every bit and every length of the decoded bytes, then of the text that carries them."""
    if spelling != "free":
        data = decoded(text, spelling)
        yield from (("bit flipped", encoded(flipped, spelling)) for flipped in bit_flips(data))
        yield from (("bytes cut", encoded(data[:length], spelling)) for length in range(len(data)))
        yield from (("bytes added", encoded(data + bytes(length), spelling)) for length in range(1, 65))
        yield from (("other bytes", encoded(other, spelling)) for other in (bytes(len(data)), data[::-1], data * 2))
        yield from (("encoded otherwise", other) for other in (data.hex(), base64.b64encode(data).decode()))
    yield from lengths(text)
    yield from (("case", other) for other in (text.upper(), text.lower(), text.swapcase(), text.title()))
    yield from (("one letter's case", text[:at] + text[at].swapcase() + text[at + 1 :]) for at in range(len(text)))
    yield from (("alphabet", text.translate(table)) for table in (FULL_WIDTH, ARABIC, URL_SAFE, STANDARD))
    yield from (("padding", other) for other in (text.rstrip("="), text + "==", f"0x{text}", f'"{text}"', text[::-1]))
    places = range(0, len(text), 8)
    yield from (("inserted", text[:at] + mark + text[at:]) for at in places for mark in (" ", "\n", "\0", "=", "é"))
    yield from (
        ("last letter", text.rstrip("=")[:-1] + letter + "=" * text.count("=")) for letter in "AQgwBRhxCSiyDTjz"
    )
    yield "digest instead of the secret", hashlib.sha256(text.encode()).hexdigest()


def values(text: str) -> Labelled:
    """Changed texts: every bit of every character, every length, and what looks or folds the same."""
    for at, letter in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        yield from (("bit flipped", before + chr(ord(letter) ^ 1 << bit) + after) for bit in range(7))
        yield from (("character", before + other + after) for other in ("", letter * 2, letter + "\0", "\u0131"))
        if after:
            yield "swapped", before + after[0] + letter + after[1:]
    yield from lengths(text)
    yield from ((form, unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD"))
    yield from (("digits", text.translate(table)) for table in (FULL_WIDTH, ARABIC))
    yield from (("case", other) for other in (text.upper(), text.lower(), text.swapcase(), text.casefold()))


def lengths(text: str) -> Labelled:
    """Cut at every length from both ends, and grown at both."""
    yield from (("cut", text[:length]) for length in range(len(text)))
    yield from (("beginning cut", text[length:]) for length in range(1, len(text)))
    yield from (("grown", other) for mark in MARGINS for other in (text + mark, mark + text, mark + text + mark))


def edited(text: str, rng: random.Random) -> str:
    """One character put in, taken out, or another one in its place; or a piece turned round."""
    at = rng.randrange(len(text) + 1)
    mark = chr(rng.randrange(32, 127)) if rng.random() < 0.7 else rng.choice(ODD)
    end = min(len(text), at + rng.randint(1, 8))
    return text[:at] + rng.choice(
        (mark + text[at:], text[at + 1 :], mark + text[at + 1 :], text[at:end][::-1] + text[end:])
    )


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Every copy in which one bit is another."""
    number = int.from_bytes(data, "big")
    return ((number ^ 1 << bit).to_bytes(len(data), "big") for bit in range(len(data) * 8))


def decoded(text: str, spelling: str) -> bytes:
    """The bytes that a proof's text stands for."""
    if spelling == "hex":
        return bytes.fromhex(text)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if spelling == "link" else base64.b64decode(text)


def encoded(data: bytes, spelling: str) -> str:
    """Bytes as a proof's text."""
    if spelling == "hex":
        return data.hex()
    return (
        base64.urlsafe_b64encode(data).decode().rstrip("=") if spelling == "link" else base64.b64encode(data).decode()
    )
