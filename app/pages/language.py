"""The language of a page: what the request chose, else what its reader's browser asks for, out of the few we speak."""

from __future__ import annotations

from pathlib import Path

from babel import Locale
from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale, refresh

LANGUAGES = ("en", "cs", "sk", "ru", "es")
CATALOGUES = Path(__file__).resolve().parents[1] / "translations"


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


def init_app(app: Flask) -> None:
    """Sets up Flask-Babel with the catalogues of the host, wherever the app itself lives."""
    Babel(app, default_translation_directories=str(CATALOGUES), locale_selector=choose)
    app.jinja_env.globals["language"] = lambda: current().language
