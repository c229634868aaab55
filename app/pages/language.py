"""The language of a page: what the request chose, else what its reader's browser asks for, out of the few we speak."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog
from babel import Locale
from babel.support import Translations
from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale, refresh

from app.core.registry import Connector
from app.core.services import EXTENSION, Services

log = structlog.get_logger()
LANGUAGES = ("en", "cs", "sk", "ru", "es")
CATALOGUES = Path(__file__).resolve().parents[1] / "translations"
SEPARATOR = ";"


def spoken(tag: str) -> str:
    """The one of our languages that a tag such as ``cs-CZ`` names; empty for any other text."""
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return primary if primary in LANGUAGES else ""


def choose() -> str:
    """``g.language`` where something chose one that we speak, else the browser's, else English."""
    chosen = spoken(g.get("language", ""))
    if chosen or not has_request_context():
        return chosen or LANGUAGES[0]
    # One by one, since `best_match` would let a plain ``en`` win over a preferred ``cs-CZ``.
    wanted = (spoken(tag) for tag in request.accept_languages.values())
    return next(filter(None, wanted), LANGUAGES[0])


def switch(tag: str) -> None:
    """Answer this request in a language from now on; one that we do not speak changes nothing."""
    if spoken(tag):
        g.language = spoken(tag)
        refresh()


def current() -> Locale:
    """The locale of this answer."""
    return get_locale() or Locale(LANGUAGES[0])


def named() -> dict[str, str]:
    """Our languages, each by its own name."""
    return {tag: str(Locale(tag).get_display_name(tag)).capitalize() for tag in LANGUAGES}


def catalogues_of(connectors: Iterable[Connector]) -> list[Path]:
    """Every folder of catalogues, the host's own last.

    Flask-Babel lays them over each other, and a later one wins. So no connector alters a text of the host (whose
    translations pages take for markup) or its plural forms, and none a text of a connector that was found before it.
    """
    theirs = [connector.source.folder.absolute() / "translations" for connector in connectors]
    return [*filter(readable, reversed(theirs)), CATALOGUES]


def readable(folder: Path) -> bool:
    """Whether a folder has catalogues and all can be read: one that cannot would fail every answer in its language."""
    if not folder.is_dir():
        return False
    try:
        if SEPARATOR in str(folder):
            raise ValueError(f"the path has a {SEPARATOR}")
        for language in LANGUAGES:
            Translations.load(folder, [language])
    except Exception as error:  # noqa: BLE001 - a stranger's file may be wrong in any way, and must fail alone
        log.error("translations.unreadable", folder=str(folder), fault=f"{type(error).__name__}: {error}")
        return False
    return True


def init_app(app: Flask) -> None:
    """Sets up Flask-Babel with the catalogues of the connectors and of the host; the host's services come first."""
    host: Services = app.extensions[EXTENSION]
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = SEPARATOR.join(map(str, catalogues_of(host.registry)))
    Babel(app, locale_selector=choose)
    app.jinja_env.globals["language"] = lambda: current().language
