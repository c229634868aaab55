"""People: the customers of every connected shop, one directory for each workspace."""

from __future__ import annotations

from flask import Flask

from app.core.services import EXTENSION, Services
from app.people import messages, mirror, sync
from app.people.asking import AskingDirectory
from app.people.pushing import mark
from app.sdk import Batch, Person


def init_app(app: Flask) -> None:
    """Hand the directory and the mirror to the core, which knows neither, and its work to the worker."""
    host: Services = app.extensions[EXTENSION]
    host.directory = AskingDirectory
    host.store_people = store_people
    host.contacts_of = messages.contacts_of
    sync.init_app(app)


def store_people(workspace_id: str, installation_id: str, people: list[Person]) -> None:
    """Store what an installation brought into its workspace, as a page of a pull: orders are added, and who was erased
    stays away until there is news."""
    batch = Batch(people=people, orders=[(person.external_id, order) for person in people for order in person.orders])
    mirror.apply(
        workspace_id, installation_id, batch, lambda session: mark(session, workspace_id, installation_id, batch)
    )
