"""Sealing: a value opens at the one place it was sealed for, and nowhere else (D-4)."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.core import database
from app.core.database import Base, db, writing
from app.core.models import DataKeyRow, InstallationRow
from app.core.seal import Ring, SealBroken, digest, new_id, new_token
from app.sdk import State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = [Fernet.generate_key().decode() for _ in range(2)]
SWAPS = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is sealed for."""

    installation: str
    table: str
    column: str


@pytest.fixture(scope="module")
def ring() -> Ring:
    return Ring(KEYS[:1])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, ring: Ring) -> Iterator[Session]:
    """A database with three tenants, each with three data keys; what a test changes is taken back."""
    app = Flask("seal")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path_factory.mktemp('seal')}/host.db"
    database.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        with writing() as session:
            for id in ("ins_a", "ins_b", "ins_c"):
                row = InstallationRow(id=id, connector="fake", tenant=id, state=State.ACTIVE, facts={})
                row.created_at = row.updated_at = NOW
                session.add(row)
                session.flush()
                for version in range(3):
                    ring.new_data_key(session, id, NOW + timedelta(days=version))
            session.flush()
            yield session
        db.engine.dispose()


@pytest.fixture
def undone(session: Session) -> Iterator[Session]:
    """The same database, with what the test changed taken back."""
    with session.begin_nested() as inner:
        yield session
        inner.rollback()
    session.expire_all()


PLACES = [
    Place(installation, table, column)
    for installation in ("ins_a", "ins_b", "ins_c")
    for table in ("credential", "event")
    for column in ("api_key", "api_user", "search_secret")
]


def versions_of(session: Session, installation: str) -> list[str]:
    """The ids of the tenant's data keys, newest first."""
    mine = select(DataKeyRow.id).where(DataKeyRow.installation_id == installation)
    return list(session.scalars(mine.order_by(DataKeyRow.created_at.desc())))


def seal(ring: Ring, session: Session, place: Place, value: bytes = b"the value") -> str:
    return ring.seal(session, place.installation, place.table, place.column, value)


def opened(ring: Ring, session: Session, place: Place, sealed: str) -> bytes:
    return ring.open(session, place.installation, place.table, place.column, sealed)


def relabelled(sealed: str, key: str) -> str:
    """The same bytes under another key's name."""
    return f"{key}.{sealed.partition('.')[2]}"


def swaps(ring: Ring, session: Session, count: int) -> Iterator[tuple[str, Place, str]]:
    """Values moved to places of other tenants, other columns and other key versions, also under another label."""
    chance = random.Random(20260101)
    sealed = {place: seal(ring, session, place) for place in PLACES}
    keys = {place.installation: versions_of(session, place.installation) for place in PLACES}
    for number in range(count):
        source = chance.choice(PLACES)
        match number % 4:
            case 0:
                target = chance.choice([place for place in PLACES if place.installation != source.installation])
                yield "tenant", target, sealed[source]
            case 1:
                target = chance.choice([place for place in PLACES if place.installation != source.installation])
                yield "tenant, relabelled", target, relabelled(sealed[source], chance.choice(keys[target.installation]))
            case 2:
                column = chance.choice([place for place in PLACES if place != source and place.table == source.table])
                yield "column", replace(source, column=column.column, installation=column.installation), sealed[source]
            case _:
                older = [key for key in keys[source.installation] if not sealed[source].startswith(key)]
                yield "key version", source, relabelled(sealed[source], chance.choice(older))


def test_a_value_opens_where_it_was_sealed(ring: Ring, session: Session) -> None:
    for place in PLACES:
        sealed = seal(ring, session, place, "hodnota €".encode())
        assert opened(ring, session, place, sealed).decode() == "hodnota €"
        assert sealed.partition(".")[0] == versions_of(session, place.installation)[0]


def test_equal_values_do_not_look_alike(ring: Ring, session: Session) -> None:
    assert len({seal(ring, session, PLACES[0]) for _ in range(50)}) == 50


def test_no_swap_opens(ring: Ring, session: Session) -> None:
    tried = dict.fromkeys(("tenant", "tenant, relabelled", "column", "key version"), 0)
    for kind, place, sealed in swaps(ring, session, SWAPS):
        with pytest.raises(SealBroken):
            opened(ring, session, place, sealed)
        tried[kind] += 1
    assert sum(tried.values()) == SWAPS
    assert min(tried.values()) >= SWAPS // 4


def test_a_value_moved_with_its_data_key_does_not_open(ring: Ring, undone: Session) -> None:
    """Somebody who writes to the database gives the other tenant the whole row of the key, too."""
    source, target = PLACES[0], replace(PLACES[0], installation="ins_b")
    sealed = seal(ring, undone, source)
    key = sealed.partition(".")[0]
    undone.execute(update(DataKeyRow).where(DataKeyRow.id == key).values(installation_id="ins_b"))
    undone.expire_all()
    with pytest.raises(SealBroken):
        opened(ring, undone, target, sealed)


def test_plain_fernet_opens_every_swap() -> None:
    """The control: without a place in it, a value opens wherever it is put."""
    fernet = Fernet(KEYS[0])
    sealed = {place: fernet.encrypt(repr(place).encode()) for place in PLACES}
    moved = [(one, other) for one in PLACES for other in PLACES if one != other]
    assert all(fernet.decrypt(sealed[one]) for one, _ in moved)


def test_a_place_that_is_not_bound_is_noticed(ring: Ring, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with nothing in the associated data, columns can be swapped."""
    monkeypatch.setattr("app.core.seal._place", lambda *parts: b"")
    accepted = 0
    for kind, place, sealed in swaps(ring, session, 200):
        if kind == "column" and sealed.partition(".")[0] in versions_of(session, place.installation):
            accepted += opened(ring, session, place, sealed) == b"the value"
    assert accepted


@pytest.mark.parametrize("position", [0, 11, 12, 20, -1], ids=["nonce", "end-of-nonce", "text", "middle", "tag"])
def test_a_flipped_bit_does_not_open(ring: Ring, session: Session, position: int) -> None:
    key, _, encoded = seal(ring, session, PLACES[0]).partition(".")
    data = bytearray(base64.b64decode(encoded))
    data[position] ^= 1
    with pytest.raises(SealBroken):
        opened(ring, session, PLACES[0], f"{key}.{base64.b64encode(data).decode()}")


@pytest.mark.parametrize("rest", ["", "=", "AAAA", "not base64!", "ž", "A" * 15], ids=repr)
def test_what_was_never_sealed_does_not_open(ring: Ring, session: Session, rest: str) -> None:
    key = versions_of(session, "ins_a")[0]
    with pytest.raises(SealBroken):
        opened(ring, session, PLACES[0], f"{key}.{rest}")


@pytest.mark.parametrize("sealed", ["", ".", "key_unknown.AAAA", "api-key-in-the-clear"])
def test_a_value_without_its_key_does_not_open(ring: Ring, session: Session, sealed: str) -> None:
    with pytest.raises(SealBroken):
        opened(ring, session, PLACES[0], sealed)


def test_destroying_the_key_destroys_the_value(ring: Ring, undone: Session) -> None:
    sealed = seal(ring, undone, PLACES[0])
    undone.execute(delete(DataKeyRow).where(DataKeyRow.installation_id == "ins_a"))
    with pytest.raises(SealBroken, match="gone"):
        opened(ring, undone, PLACES[0], sealed)
    with pytest.raises(SealBroken, match="no data key"):
        seal(ring, undone, PLACES[0])


# The master ring


def test_a_former_master_key_still_opens_and_the_newest_wraps() -> None:
    former, rotated, newest = Ring([KEYS[1]]), Ring(KEYS), Ring([KEYS[0]])
    assert rotated.unwrap(former.wrap(b"x")) == b"x"
    assert newest.unwrap(rotated.wrap(b"x")) == b"x"


@pytest.mark.parametrize("wrapped", ["", "AAAA", "ž", "gAAAAA"], ids=repr)
def test_another_master_key_opens_nothing(wrapped: str) -> None:
    foreign = Ring([Fernet.generate_key().decode()])
    for text in (wrapped, Ring(KEYS).wrap(b"x")):
        with pytest.raises(SealBroken):
            foreign.unwrap(text)


# Digests and names


def test_parts_of_a_digest_cannot_run_into_each_other() -> None:
    spellings = [("ab", "c"), ("a", "bc"), ("abc",), ("", "abc"), ("abc", ""), ("a", "b", "c")]
    assert len({digest(*parts) for parts in spellings}) == len(spellings)
    assert digest("č") == digest("č".encode())


def test_tokens_and_ids_are_random_and_long_enough() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
    assert len({new_id("ins") for _ in range(1000)}) == 1000


def test_the_database_file_holds_no_value_in_the_clear(ring: Ring, session: Session, tmp_path: Path) -> None:
    sealed = seal(ring, session, PLACES[0], b"canary-value")
    for encoded in (b"canary-value", base64.b64encode(b"canary-value"), b"canary-value".hex().encode()):
        assert encoded not in sealed.encode()
