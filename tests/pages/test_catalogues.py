"""A connector brings its own words, wherever it was found; it alters none of the host and breaks no other answer."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import gettext, ngettext

from app.core.loading import load
from app.core.registry import Registry
from app.core.sources import GROUP, discover
from app.pages import language
from app.pages.language import CATALOGUES, catalogues_of

MANIFEST = """
spec = 1
title = "Fairground"
languages = ["en", "ru"]
[refusal]
body = { oops = "$message" }
[actions.search]
methods = ["GET"]
"""
CODE = """
from app.sdk import Malformed, hookimpl

@hookimpl
def verify(request):
    raise Malformed("shut", "The gate %(number)s is shut.", number=7)

@hookimpl
def search(verified):
    pass
"""
GATE, COUNTED = "The gate %(number)s is shut.", ("%(num)s person found", "%(num)s people found")
THEIRS = "The link is incomplete. Press Connect in Wazzup again."
WORDS = {GATE: "Ворота %(number)s закрыты.", "Not found.": "<b>Пусто</b>", THEIRS: "Подмена.", COUNTED: ("раз", "два")}
RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9"}


def plant(folder: Path, name: str = "fairground") -> Path:
    """A connector with a Russian catalogue that also claims words of others, and counts otherwise; returns its .mo."""
    place = folder / name / "translations" / "ru" / "LC_MESSAGES"
    place.mkdir(parents=True)
    (folder / name / "__init__.py").write_text(CODE, "utf-8")
    (folder / name / "connector.toml").write_text(MANIFEST, "utf-8")
    catalog = Catalog("en", charset="utf-8")  # two forms: one, and many
    for msgid, text in WORDS.items():
        catalog.add(msgid, text)
    with (place / "messages.mo").open("wb") as file:
        write_mo(file, catalog)
    return place / "messages.mo"


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    """Planted modules leave with their test."""
    yield
    for name in ("stallholder_connector_fairground", "fairground"):
        sys.modules.pop(name, None)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    return plant(tmp_path / "marketplaces")


@pytest.fixture
def found(request: pytest.FixtureRequest, planted: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `discover` is told, so that the connector is found in one way or another."""
    folder, way = planted.parents[4], getattr(request, "param", "folder")
    if way == "folder":
        return str(folder)
    if way == "relative folder":
        monkeypatch.chdir(folder.parent)
        return folder.name
    info = folder / "fair_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fair-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nfairground = fairground\n")
    monkeypatch.syspath_prepend(str(folder))
    return ""


@pytest.fixture
def connectors(found: str) -> Registry:
    return load(discover(found))


def said_in_russian(app: Flask, *msgids: str) -> list[str]:
    with app.test_request_context(headers=RUSSIAN):
        return [str(gettext(msgid)) for msgid in msgids]


def counted_in_russian(app: Flask) -> str:
    with app.test_request_context(headers=RUSSIAN):
        return str(ngettext(*COUNTED, 5))


# Its own words


@pytest.mark.parametrize("found", ["folder", "relative folder", "distribution"], indirect=True)
def test_a_connector_refuses_in_its_own_words(client: FlaskClient) -> None:
    response = client.get("/fairground/search", headers=RUSSIAN)
    assert (response.status_code, response.json) == (400, {"oops": "Ворота 7 закрыты."})
    assert client.get("/fairground/search").json == {"oops": "The gate 7 is shut."}


def test_without_its_catalogue_the_answer_is_english(planted: Path, request: pytest.FixtureRequest) -> None:
    """A negative control: it is the connector's file that speaks Russian."""
    shutil.rmtree(planted.parents[2])
    client: FlaskClient = request.getfixturevalue("client")
    assert client.get("/fairground/search", headers=RUSSIAN).json == {"oops": "The gate 7 is shut."}


def test_folders_are_absolute_and_the_hosts_is_the_last(planted: Path, app: Flask, connectors: Registry) -> None:
    folders = app.config["BABEL_TRANSLATION_DIRECTORIES"].split(";")
    assert (folders[0], folders[-1]) == (str(planted.parents[2]), str(CATALOGUES))
    assert {Path(folder).parent.name for folder in folders[:-1]} == {connector.name for connector in connectors}
    assert all(Path(folder).is_absolute() for folder in folders)


# Not the words of others


def test_a_connector_cannot_alter_words_of_the_host(app: Flask, client: FlaskClient) -> None:
    assert said_in_russian(app, "Not found.") == ["Не найдено."]
    assert counted_in_russian(app) == "Найдено 5 человек"
    assert "Не найдено." in client.get("/account/open/nowhere/i1", headers=RUSSIAN).text


def test_a_connector_cannot_alter_words_of_one_found_before(app: Flask) -> None:
    assert said_in_russian(app, THEIRS) != [WORDS[THEIRS]]


def test_another_order_is_noticed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(language, "catalogues_of", lambda connectors: catalogues_of(connectors)[::-1])
    app: Flask = request.getfixturevalue("app")
    assert said_in_russian(app, "Not found.", THEIRS) == [WORDS["Not found."], WORDS[THEIRS]]
    assert counted_in_russian(app) == "два"


# Unreadable ones


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "no-catalogue": lambda whole: b"no catalogue at all, but some text",
    "cut-off": lambda whole: whole[: len(whole) // 2],
    "charset": lambda whole: whole.replace(b"charset=utf-8", b"charset=utf-x"),
    "plural-rule": lambda whole: whole.replace(b"(n != 1)", b"(n ** n)"),
}


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, planted: Path) -> None:
    whole = planted.read_bytes()
    broken = DAMAGES[request.param](whole)
    assert broken != whole
    planted.write_bytes(broken)


@pytest.mark.usefixtures("damaged")
def test_a_damaged_catalogue_is_left_out_alone(client: FlaskClient, app: Flask) -> None:
    assert client.get("/fairground/search", headers=RUSSIAN).json == {"oops": "The gate 7 is shut."}
    assert client.get("/nowhere/search", headers=RUSSIAN).json == {"error": "Не найдено."}
    assert said_in_russian(app, THEIRS)[0].startswith("Ссылка неполная.")


@pytest.mark.usefixtures("damaged")
def test_a_damaged_catalogue_would_fail_every_answer(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(language, "readable", Path.is_dir)
    client: FlaskClient = request.getfixturevalue("client")
    assert client.get("/nowhere/search", headers=RUSSIAN).status_code == 500


def test_a_path_that_cannot_be_listed_is_left_out(tmp_path: Path) -> None:
    """Flask-Babel takes one text with all folders: a half of this one's name would be another folder."""
    plant(tmp_path / "market;place")
    folders = catalogues_of(load(discover(str(tmp_path / "market;place"))))
    assert not any("fairground" in str(folder) for folder in folders)
    assert folders[-1] == CATALOGUES
