"""Orlo: a social inbox whose agents search people and open one in an iframe. This file is the table of contents."""

from __future__ import annotations

from collections.abc import Sequence

from app.sdk import (
    Answer,
    Claims,
    Directory,
    Inbound,
    Installations,
    Links,
    Page,
    Registration,
    Setting,
    Settings,
    Unknown,
    Verified,
    hookimpl,
)

from . import proof, schemas


@hookimpl
def settings() -> Sequence[Setting]:
    return schemas.SETTINGS


@hookimpl
def verify(request: Inbound, settings: Settings, installations: Installations) -> Claims:
    return proof.prove(request, settings["max_ttl"], installations)


@hookimpl
def install(verified: Verified, links: Links) -> Registration:
    return schemas.registration(verified.fields, links)


@hookimpl
def search(verified: Verified, people: Directory) -> Answer:
    hits = people.search(verified.fields["q"], schemas.MOST_RESULTS)
    return schemas.results(hits)


@hookimpl
def open(verified: Verified, people: Directory) -> Page:
    person = people.person(verified.fields["id"])
    if person is None:
        raise Unknown("unknown_person")
    return Page("person", {"person": person})
