"""The plan of a search: which places of the index may hold those who are asked for, which are read, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import chain, combinations
from typing import NamedTuple

from app.people.ranking import mask
from app.people.terms import GRAM, LONGEST_GRAM, SHORTEST_PHONE_GRAM, Word, is_paired, pair

# A place that has fewer entries is short: all of them are read; and of fewer still each is asked for its words.
FEW, VERY_FEW = 1000, 500
# So much of a long one is read for those who have the other words too, best first, or in the order of letters where it
# has no other; and so many of whom the signature promises are asked for their words.
MOST_READ, MOST_ASKED = 1500, 400
# Where that fills no page, so many times as much.
DEEPER = 4
ALL = MOST_READ * DEEPER
# A hope for all the words in the name counts so many times, since there a signature says more.
IN_NAME = 10
# So many words of a query are combined: six pairs hold few enough people.
MOST_COMBINED = 4


class Place(NamedTuple):
    """Entries of the index: a ``list`` is one term's, best first, of which one ``first`` tells whether it has any; a
    ``range`` are those of all words that begin so, and ``all`` of them are more than a look counts else."""

    kind: str
    term: str


class Look(NamedTuple):
    """A look at no more than a thousand entries of a place: how many those were, and how much hope for all the words.

    A hope is somebody who may have them all. It is looked for where everybody is who is asked for.
    """

    entries: int
    hopes: int


class Asked(IntEnum):
    """What is asked of a person's words: that one begins so, is so, or is so or begins so in the name."""

    BEGUN = 0
    WHOLE = 1
    NAMED = 2


class Arm(NamedTuple):
    """A place to read: ``read`` entries at most; of those that have the ``bits`` so many are ``asked`` for the words.

    They come in the order of the place, or, ``sorted``, by how well they are found.
    """

    place: Place
    bits: int = 0
    read: int = MOST_READ
    asked: int = MOST_ASKED
    words: tuple[tuple[Word, Asked], ...] = ()
    sorted: bool = False


class Driver(NamedTuple):
    """Places that hold everybody who is asked for: a word's, in each of its spellings, or two words' together.

    A word is ``paired`` if it is one of such two.
    """

    places: tuple[Place, ...]
    word: Word = ()
    paired: bool = False

    @property
    def whole(self) -> tuple[Place, ...]:
        """Where those are who have the word as it is."""
        return tuple(Place("list", form) for form in self.word)

    @property
    def begun(self) -> tuple[Place, ...]:
        """Where those are who have a word with its first letters, best first."""
        return tuple(beginning(form[:LONGEST_GRAM]) for form in self.word)


def drivers(words: Sequence[Word]) -> list[Driver]:
    """Those worth a look, those of two words first."""
    some = [word for word in words if all(map(is_paired, word))]
    longest = sorted(some, key=lambda word: -max(map(len, word)))[:MOST_COMBINED]
    together = {(one, two): places for one, two in combinations(longest, 2) if (places := _together(one, two))}
    paired = set(chain.from_iterable(together))
    return [
        *map(Driver, together.values()),
        *(Driver(tuple(map(beginning, word)), word, word in paired) for word in words),
    ]


def looked_at(found: Sequence[Driver]) -> dict[Place, bool]:
    """What is looked at to choose among drivers, and what the one chosen is read by; true where hope is looked for."""
    places = dict.fromkeys(chain.from_iterable(one.places for one in found), len(found) > 1)
    for one in found:
        # Who has a pair has either beginning: where that has few entries, so has the pair.
        for place in () if one.paired else one.begun:
            places.setdefault(place, False)
        places |= {first(place): False for place in one.whole}
    return places


def _together(one: Word, two: Word) -> tuple[Place, ...]:
    """Where those are who have both; empty where the index does not hold the two together."""
    begun = {(a[:LONGEST_GRAM], b[:LONGEST_GRAM]) for a in one for b in two}
    if any(a == b for a, b in begun):
        return ()
    return tuple(dict.fromkeys(Place("list", pair(*sorted(both))) for both in sorted(begun)))


def first(place: Place) -> Place:
    """The first entry of a list."""
    return Place("first", place.term)


def beginning(form: str) -> Place:
    """Where those are who have a word that begins so."""
    return Place("list", GRAM + form) if len(form) <= LONGEST_GRAM else Place("range", form)


def best(found: Sequence[Driver], looks: Mapping[Place, Look]) -> Driver:
    """The driver that reads least for a page: the shortest; of the long ones that whose entries give most hope."""

    def reads(driver: Driver) -> tuple[bool, int]:
        if is_short(driver, looks):
            return False, sum(looks[place].entries for place in driver.places)
        return True, -_hopes(driver, looks)

    return min(found, key=reads) if len(found) > 1 else found[0]


def is_short(driver: Driver, looks: Mapping[Place, Look]) -> bool:
    """Whether all of it is read: a range may have many entries of few people."""
    lists = (driver.places, driver.begun) if driver.word and not driver.paired else (driver.places,)
    return any(not any(is_long(looks, place) for place in places) for places in lists)


def stages(driver: Driver, words: Sequence[Word], looks: Mapping[Place, Look]) -> Iterator[list[Arm]]:
    """What is read, stage by stage, until there are enough: who is found by a later one is found no better."""
    if len(words) == 1:
        yield [Arm(place) for place in driver.whole]
        yield list(_beginnings(driver, looks, 0, ()))
    elif sum(looks[place].entries for place in driver.places) < VERY_FEW:
        yield [Arm(place, mask(words), VERY_FEW, VERY_FEW, asked(words), sorted=True) for place in driver.places]
    else:
        others = [word for word in words if word != driver.word]
        held = [word for word in others if _filled(Driver((), word).whole, looks)]
        yield from _of_a_long_one(driver, others, held, looks)


def _of_a_long_one(
    driver: Driver, others: Sequence[Word], held: Sequence[Word], looks: Mapping[Place, Look]
) -> Iterator[list[Arm]]:
    """Words that somebody has as they are, ``held``, are asked for as such first; all in the name before anywhere."""
    whole = tuple((word, Asked.WHOLE if word in held else Asked.BEGUN) for word in others)
    named, in_name = asked(others, Asked.NAMED), mask(others, named=True)
    promised = mask(others) | mask(held, whole=True)
    exactly = _filled(driver.whole, looks)
    if held:
        yield [Arm(place, promised, words=whole) for place in exactly]
    if may_be_names(others):
        yield [Arm(place, in_name, words=named) for place in exactly]
    if held:
        yield list(_beginnings(driver, looks, promised, whole))
    if may_be_names(others):
        yield list(_beginnings(driver, looks, in_name, named))
    # Of a short one nobody is left out, so that whoever is not found is not there.
    most = FEW if is_short(driver, looks) else MOST_ASKED
    anywhere = [Arm(place, mask(others), words=asked(others)) for place in exactly]
    yield [arm._replace(asked=most) for arm in anywhere]
    yield [arm._replace(asked=most) for arm in _beginnings(driver, looks, mask(others), asked(others))]


def _beginnings(
    driver: Driver, looks: Mapping[Place, Look], bits: int, words: tuple[tuple[Word, Asked], ...]
) -> Iterator[Arm]:
    for place in driver.places:
        # A range is read in the order of letters, the whole word first; of a long one the best lie elsewhere.
        if place.kind == "list" or not any(is_long(looks, one) for one in _filled([Place("list", place.term)], looks)):
            yield Arm(place, bits, words=words)
        if place.kind == "range" and is_long(looks, place):
            yield Arm(beginning(place.term[:LONGEST_GRAM]), bits, words=(*words, *asked([driver.word])))


def _filled(places: Sequence[Place], looks: Mapping[Place, Look]) -> list[Place]:
    """Those lists that have an entry."""
    return [place for place in places if looks[first(place)].entries]


def is_long(looks: Mapping[Place, Look], place: Place) -> bool:
    """Whether there are more entries than were looked at."""
    return looks[place].entries >= FEW


def behind(found: Sequence[Driver], driver: Driver, looks: Mapping[Place, Look]) -> Driver:
    """The driver for who is looked for deeper.

    Who is in two words' place has their first letters, and so hope of both. Where that is nearly everybody there, and
    not enough, all of a longer word's own place is read, if it can be; of several the one where fewest are asked.
    """
    if driver.word or _hopes(driver, looks) < MOST_ASKED * IN_NAME:
        return driver
    longer = [one for one in found if one.word and min(map(len, one.word)) > LONGEST_GRAM]
    fewest_first = sorted(longer, key=lambda one: _hopes(one, looks))
    return next((one for one in fewest_first if _are_read(one.places, looks)), driver)


def _hopes(driver: Driver, looks: Mapping[Place, Look]) -> int:
    return sum(looks[place].hopes for place in driver.places)


def deeper(driver: Driver, words: Sequence[Word], looks: Mapping[Place, Look], depth: int) -> Iterator[list[Arm]]:
    """What is read where all stages fill no page: ``depth`` times as far.

    Of who has them in the name the signature promises few in vain, so that more can be asked.
    """
    hows = [(mask(words), asked(words), 1)]
    if may_be_names(words):
        hows.insert(0, (mask(words, named=True), asked(words, Asked.NAMED), depth))
    for whole in (True, False):
        for bits, its, more in hows:
            arms = [Arm(place, bits, words=its) for place in _filled(driver.whole, looks)]
            some = arms if whole else [*_beginnings(driver, looks, bits, its)]
            some = [arm._replace(read=MOST_READ * depth, asked=MOST_ASKED * more) for arm in some]
            ranges = [arm for arm in some if arm.place.kind == "range"]
            yield ranges
            if not ranges or not _are_read([arm.place for arm in ranges], looks):
                yield [arm for arm in some if arm.place.kind == "list"]


def _are_read(ranges: Sequence[Place], looks: Mapping[Place, Look]) -> bool:
    """Whether all that begins so is read, and nobody is left for the lists."""
    return all(looks[Place("all", place.term)].entries < ALL for place in ranges)


def may_be_names(words: Sequence[Word]) -> bool:
    """Whether it is worth asking for all of them in the name first: three digits are a phone's."""
    return not any(form.isdigit() and len(form) >= SHORTEST_PHONE_GRAM for word in words for form in word)


def asked(words: Sequence[Word], how: Asked = Asked.BEGUN) -> tuple[tuple[Word, Asked], ...]:
    """The words, each to be asked for so."""
    return tuple((word, how) for word in words)
