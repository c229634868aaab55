"""The views that the core asks for by name: whole pages, made of parameters alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import render_template


def refused(params: Mapping[str, Any]) -> str:
    """A refusal, for people: ``message`` is translated already."""
    return render_template("pages/refused.html", message=params["message"])


def consent(params: Mapping[str, Any]) -> str:
    """What is about to be joined to what: ``title``, ``account``, ``workspace`` (or empty), ``action``, ``token``.

    ``code`` is a pairing code that names the workspace, ``trouble`` says why another did not.
    """
    return render_template("pages/consent.html", **params)


def connected(params: Mapping[str, Any]) -> str:
    """The good end of a connection: ``title`` names it, ``sign_in`` is a link to keep, where it is the way back."""
    return render_template("pages/connected.html", title=params["title"], sign_in=params.get("sign_in", ""))


def person(params: Mapping[str, Any]) -> str:
    """One person's card as a page of its own: ``person`` is a `Person`."""
    return render_template("pages/person.html", person=params["person"])


VIEWS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "refused": refused,
    "consent": consent,
    "connected": connected,
    "person": person,
}
