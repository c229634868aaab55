"""Documents: pages that are the same for everybody, hold nothing private and change nothing when they are read."""

from __future__ import annotations

from flask import g, render_template, request

from app.core.database import reading
from app.core.models import InstallationRow
from app.core.services import services
from app.core.web import said
from app.pages import language, workspace
from app.sdk import Unknown


def home() -> str:
    """What this is and where it is opened."""
    language.switch(request.args.get("language", ""))
    names = sorted(workspace.marketplace(connector.name) for connector in services().registry if connector.serving)
    return render_template("pages/home.html", marketplaces=names)


def open_shell(connector: str, installation: str, page: str = "") -> tuple[str, int]:
    """The page that an installation's admin opens; its script spends the ticket and asks for ``page``.

    No other shop's admin may frame it. An installation that is not here is as good as closed.
    """
    with reading() as session:
        row = session.get(InstallationRow, installation)
    if row is None or row.connector != connector:
        return framed(connector, "pages/closed.html")
    return framed(connector, "pages/shell.html", row.address, installation=installation)


def closed(connector: str) -> tuple[str, int]:
    """Why there is nothing to open for this shop."""
    return framed(connector, "pages/closed.html")


def framed(name: str, template: str, address: str = "", **values: str) -> tuple[str, int]:
    """A document that the admin of the installation at ``address`` may frame, or without one any of the marketplace's.

    A refusal to everybody where there is no such marketplace.
    """
    language.switch(request.args.get("language", ""))
    connector = services().registry.find(name)
    if connector is None:
        return services().views["refused"]({"message": said(Unknown("no_connector"))}), 404
    g.ancestors = services().ancestors(connector, address)
    g.theme = connector.manifest.theme if connector.manifest else None
    opens = connector.manifest is None or connector.manifest.opens_pages
    place = workspace.marketplace(name)
    return render_template(template, connector=name, marketplace=place, opens_pages=opens, **values), 200
