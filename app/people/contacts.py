"""The same human in two shops: people of different sources with one e-mail or phone, joined where shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from app.people import emails, phones


class Contact(Protocol):
    """What tells of a person who it is."""

    @property
    def source(self) -> str:
        """The installation that brought it."""

    @property
    def contacts(self) -> str:
        """What `spelled` made of its e-mails and phones."""


C = TypeVar("C", bound=Contact)


def plain(email: str) -> str:
    """The address as it is compared."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def spelled(email: str, phone: str) -> str:
    """The e-mails and the phone numbers by which two people are one, a line for each."""
    return "\n".join([*addresses(email), *sorted(phones.keys(phone))])


def addresses(text: str) -> list[str]:
    """The whole addresses in an e-mail field, as they are compared, each once."""
    whole = (plain(address) for address in emails.addresses(text) if not address.endswith("@"))
    return list(dict.fromkeys(whole))


def keys(person: Contact) -> set[str]:
    """The lines of it."""
    return set(person.contacts.split("\n")) if person.contacts else set()


@dataclass(frozen=True, slots=True)
class Human(Generic[C]):
    """The best of the people who are one, and with it the others, of one source each; ``place`` among the humans."""

    place: int
    best: C
    keys: set[str]
    people: list[C]

    def takes(self, person: C, its_keys: set[str]) -> bool:
        """Whether the person is this human too: two customers of one shop stay two, whatever they share."""
        return not self.keys.isdisjoint(its_keys) and all(one.source != person.source for one in self.people)


def humans(people: Iterable[C]) -> list[Human[C]]:
    """The people, best first, as humans in the order of their best: each joins the first whose best it shares a
    contact with."""
    found: list[Human[C]] = []
    by_key: dict[str, list[Human[C]]] = {}
    for person in people:
        its_keys = keys(person)
        human = chosen(human for key in its_keys for human in by_key.get(key, ()) if human.takes(person, its_keys))
        if human is not None:
            human.people.append(person)
            continue
        human = Human(len(found), person, its_keys, [person])
        found.append(human)
        for key in its_keys:
            by_key.setdefault(key, []).append(human)
    return found


def chosen(same: Iterable[Human[C]]) -> Human[C] | None:
    """Of several humans that a person could be the first: the order of keys is another in every process."""
    return min(same, key=attrgetter("place"), default=None)
