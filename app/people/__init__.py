"""People: the customers of every connected shop, one directory for each workspace."""

from __future__ import annotations

from flask import Flask

from app.core.services import EXTENSION, Services
from app.people import mirror
from app.people.directory import PeopleDirectory
from app.sdk import Person


def init_app(app: Flask) -> None:
    """Hand the directory and the mirror to the core, which knows neither."""
    host: Services = app.extensions[EXTENSION]
    host.directory = PeopleDirectory
    host.store_people = store_people


def store_people(workspace_id: str, installation_id: str, people: list[Person]) -> None:
    """Store what an installation brought into its workspace."""
    mirror.store(workspace_id, installation_id, people)
