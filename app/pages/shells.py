"""Documents: pages that are the same for everybody, hold nothing private and change nothing when they are read."""

from __future__ import annotations

from flask import g, render_template, request

from app.core.services import services
from app.core.web import said
from app.pages import language, workspace
from app.sdk import Unknown


def home() -> str:
    """What this is and where it is opened."""
    language.switch(request.args.get("language", ""))
    names = sorted(workspace.marketplace(connector.name) for connector in services().registry if connector.serving)
    return render_template("pages/home.html", marketplaces=names)


def open_shell(connector: str, page: str = "") -> tuple[str, int]:
    """The page that a marketplace's admin opens; its script spends the ticket and asks for ``page``."""
    return framed(connector, "pages/shell.html")


def closed(connector: str) -> tuple[str, int]:
    """Why there is nothing to open for this shop."""
    return framed(connector, "pages/closed.html")


def framed(name: str, template: str) -> tuple[str, int]:
    """A document that the marketplace's admin may frame; a refusal to everybody where there is no such marketplace."""
    language.switch(request.args.get("language", ""))
    connector = services().registry.find(name)
    if connector is None:
        return services().views["refused"]({"message": said(Unknown("no_connector"))}), 404
    g.ancestors = services().ancestors(connector)
    g.theme = connector.manifest.theme if connector.manifest else None
    opens = connector.manifest is None or connector.manifest.opens_pages
    place = workspace.marketplace(name)
    return render_template(template, connector=name, marketplace=place, opens_pages=opens), 200
