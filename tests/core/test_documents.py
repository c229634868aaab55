"""Documents are fetched sparingly, and a bad copy never takes a good one's place."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import current_app
from stage import Stage

from app.core.documents import DocumentStore, stale
from app.sdk import Document, Response, UpstreamFailed

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KEY = Document("https://files.example/key", lambda body: body.startswith(b"key"))


class Source:
    """What the address brings, and how often it was asked."""

    def __init__(self) -> None:
        self.body: bytes | None = b"key one"
        self.asked = 0

    def request(self, method: str, url: str, **more: object) -> Response:
        self.asked += 1
        if self.body is None:
            raise UpstreamFailed("unreachable")
        return Response(200, self.body)

    def exempts(self, url: str) -> bool:
        return False


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    with ExitStack() as stack, Stage(tmp_path / "instance", stack).make_app().app_context():
        yield Source()


def at(source: Source, seconds: float) -> DocumentStore:
    return DocumentStore(source, NOW + timedelta(seconds=seconds))


def test_it_is_fetched_once_and_kept(source: Source) -> None:
    assert at(source, 0).get(KEY) == at(source, 1).get(KEY) == [b"key one"]
    assert source.asked == 1


def test_a_failed_check_fetches_at_once_but_only_once_a_minute(source: Source) -> None:
    at(source, 0).get(KEY)
    source.body = b"key two"
    assert at(source, 1).refresh(KEY)
    assert at(source, 1).get(KEY) == [b"key two", b"key one"]
    source.body = b"key three"
    assert [at(source, second).refresh(KEY) for second in (5, 30, 60.9)] == [False, False, False]
    assert source.asked == 2
    assert at(source, 61).refresh(KEY)


def test_the_former_copy_counts_for_two_days(source: Source) -> None:
    at(source, 0).get(KEY)
    source.body = b"key two"
    at(source, 1).refresh(KEY)
    assert len(at(source, 1 + 2 * 86_400 - 1).get(KEY)) == 2
    assert at(source, 1 + 2 * 86_400).get(KEY) == [b"key two"]


@pytest.mark.parametrize("bad", [b"<html>", b"", b"key" * 100_000, None], ids=["page", "empty", "huge", "unreachable"])
def test_a_bad_copy_never_takes_a_good_ones_place(source: Source, bad: bytes | None) -> None:
    at(source, 0).get(KEY)
    source.body = bad
    assert not at(source, 1).refresh(KEY)
    assert not at(source, 700).renew(KEY)
    assert at(source, 701).get(KEY) == [b"key one"]


def test_a_document_that_was_never_had_is_asked_for_every_five_seconds(source: Source) -> None:
    source.body = None
    for second in (0, 4, 4.9):
        with pytest.raises(UpstreamFailed):
            at(source, second).get(KEY)
    assert source.asked == 1
    source.body = b"key one"
    assert at(source, 5).get(KEY) == [b"key one"]


def test_whoever_comes_while_another_fetches_waits_for_what_it_brings(source: Source) -> None:
    at(source, 0).get(KEY)
    source.body = b"key two"
    assert [at(source, second).refresh(KEY) for second in (1, 1.5)] == [True, True]
    assert at(source, 1.5).get(KEY)[0] == b"key two"
    assert source.asked == 2


def test_many_who_find_nothing_ask_once_and_all_get_it(source: Source) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined] - other threads need the app itself

    def get(number: int) -> bytes:
        with app.app_context():
            return at(source, number / 100).get(KEY)[0]

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(get, range(8))) == {b"key one"}
    assert source.asked == 1


def test_the_worker_renews_what_is_ten_minutes_old(source: Source) -> None:
    assert stale([KEY], NOW) == [KEY]
    at(source, 0).renew(KEY)
    assert stale([KEY], NOW + timedelta(seconds=599)) == []
    assert stale([KEY], NOW + timedelta(seconds=600)) == [KEY]
    assert [at(source, 600).renew(KEY), at(source, 601).renew(KEY)] == [False, False]
    assert source.asked == 2
