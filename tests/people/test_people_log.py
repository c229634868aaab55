"""A bulk sync on SQLite keeps the mirror's log short, although somebody reads at every moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app.core import database
from app.core.database import MIRROR, db, length_of_log, reading, writing
from app.people import mirror
from app.people.directory import PeopleDirectory
from app.people.models import PersonRow
from app.sdk import Batch, Person

SQLITE = pytest.mark.parametrize("host", ["sqlite"], indirect=True)
LONGEST = 512 * 1024
PAGES = 40


@contextmanager
def readers(host: Flask) -> Iterator[None]:
    """Three who read in turns that overlap: there is no moment without one."""
    over = threading.Event()

    def read() -> None:
        with host.app_context():
            while not over.is_set():
                with reading() as session:
                    session.scalar(select(func.count()).select_from(PersonRow))
                    time.sleep(0.03)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for place, thread in enumerate(threads):
        time.sleep(0.01 * place)
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def longest_log() -> int:
    """The length of the log, at most, while pages of people are stored."""
    longest = 0
    for page in range(PAGES):
        people = [Person(f"{page}-{number}", f"Jan {page} {number}") for number in range(100)]
        mirror.apply("w1", "shop1", Batch(people=people))
        longest = max(longest, length_of_log(db.engines[MIRROR]))
    return longest


@SQLITE
def test_the_log_stays_short(host: Flask, mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LONGEST_LOG", LONGEST)
    with readers(host):
        longest = longest_log()
    assert LONGEST < longest < 4 * LONGEST
    assert len(mine.search("jan", 100)) == 100


@SQLITE
def test_one_that_nobody_folds_is_noticed(host: Flask, mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "fold", lambda key: False)
    with readers(host):
        assert longest_log() > 4 * LONGEST


@SQLITE
def test_who_reads_on_and_on_is_not_waited_for_without_end(
    host: Flask, mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is folded later then, and nothing is lost."""
    monkeypatch.setattr(database, "LONGEST_LOG", LONGEST)
    with closing(db.engines[MIRROR].raw_connection()) as reader:
        cursor = reader.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM person").fetchall()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mirror, "fold", lambda key: False)
            longest_log()
        assert length_of_log(db.engines[MIRROR]) > LONGEST
        assert database.fold(MIRROR) is False
    assert database.fold(MIRROR) is True
    assert mirror.count("w1") == 100 * PAGES


@SQLITE
@pytest.mark.parametrize(("seconds", "refused"), [(0.05, False), (1.0, True)], ids=["guarded", "control"])
def test_who_writes_need_not_wait_until_somebody_has_read_all(
    host: Flask, mine: PeopleDirectory, monkeypatch: pytest.MonkeyPatch, seconds: float, refused: bool
) -> None:
    """The fold waits for them only so long, and lets the next writer have its turn."""
    longest_log()
    monkeypatch.setattr(database, "FOLD_SECONDS", seconds)
    with closing(db.engines[MIRROR].raw_connection()) as reader, ThreadPoolExecutor(1) as pool:
        cursor = reader.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM person").fetchall()
        mirror.apply("w1", "shop1", Batch(people=[Person("new", "Jan")]))  # behind what is being read
        monkeypatch.setattr(database, "LONGEST_LOG", 0)
        folding = pool.submit(fold_in, host)
        while not (database._turns[db.engines[MIRROR]]._held or folding.done()):
            time.sleep(0.001)
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.4)
        with pytest.raises(OperationalError) if refused else nullcontext(), writing() as session:
            session.scalar(select(func.count()).select_from(PersonRow))
        assert folding.result() is False


def fold_in(host: Flask) -> bool:
    """For a thread of its own."""
    with host.app_context():
        return database.fold(MIRROR)
