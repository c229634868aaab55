"""The messages on a person's card: those exchanged with one of the human's phones or chats, of this workspace alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from sqlalchemy.orm import Session

from app.core import messages
from app.core.messages import Kept
from app.core.services import services
from app.people import phones
from app.people.text import storable
from app.sdk import Message

MOST_SHOWN = 20
MOST_LINKED = 2000


class Known(Protocol):
    """What tells of a person in which chats it is."""

    @property
    def source(self) -> str:
        """The installation that brought it."""

    @property
    def external_id(self) -> str:
        """Its name there."""

    @property
    def phone(self) -> str:
        """Its numbers, in any spelling."""


# Whether a phone, as `phones.keys` has it, is surely somebody else's.
IsAnothers = Callable[[str], bool]


def contacts_of(message: Message) -> list[str]:
    """By what a message is found: whom it is with at its own platform, and each way a phone field may spell the number.

    The full number comes first.
    """
    told = [f"phone:{form}" for form in phones.asked_forms(message.phone)] if message.phone else []
    return told + ([f"person:{message.person}"] if message.person else [])


def shown(
    session: Session, sources: Collection[str], people: Sequence[Known], is_anothers: IsAnothers
) -> list[Message]:
    """The newest messages with the human that these people are, newest first.

    A number without a country may be several people's: it counts unless somebody has the full one.
    """
    found = held(session, sources, people, is_anothers, MOST_SHOWN)
    return [to_shown(kept.message) for kept in found[:MOST_SHOWN]]


def held(
    session: Session, sources: Collection[str], people: Sequence[Known], is_anothers: IsAnothers, most: int
) -> list[Kept]:
    """The same as they are kept, at most ``most`` of each of the installations ``sources``."""
    ring = services().ring
    exact = {f"phone:{key}" for person in people for key in phones.keys(person.phone)}
    spelled = {f"phone:{form}" for person in people for form in phones.stored_forms(person.phone)}
    found: list[Kept] = []
    for id in messages.talking(session, sources):
        own = {f"person:{person.external_id}" for person in people if person.source == id}
        if wanted := exact | spelled | own:
            found += messages.find(session, ring, id, wanted, most)
    mine = (kept for kept in found if is_theirs(kept, exact, is_anothers))
    return sorted(mine, key=lambda kept: kept.message.at, reverse=True)


def is_theirs(kept: Kept, exact: Collection[str], is_anothers: IsAnothers) -> bool:
    """Whether a message that was found belongs to those whose full numbers are ``exact``."""
    first = kept.contacts[0]
    return not first.startswith("phone:") or first in exact or not is_anothers(first.removeprefix("phone:"))


def of_workspace(session: Session, sources: Sequence[str]) -> Iterator[Kept]:
    """All messages of these installations."""
    for id in messages.talking(session, sources):
        yield from messages.every(session, services().ring, id)


def to_shown(message: Message) -> Message:
    """The message as any page takes it."""
    text, author = (storable(told, messages.LONGEST_TEXT) for told in (message.text, message.author))
    return replace(message, text=text, author=author)
