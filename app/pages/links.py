"""Sign-in links of a workspace's connections: made anew, which ends the former, or ended."""

from __future__ import annotations

from app.core import sign_in
from app.core.services import services
from app.pages import connections, sessions, workspace
from app.sdk import Unknown


def renew_link(id: str) -> str:
    """A fresh link, shown this once."""
    connector = linkable(id)
    link = f"{services().public_url}/account/open/{connector}#s={sign_in.issue(id)}"
    return connections.shown(id, link=link)


def end_link(id: str) -> str:
    """No link opens this workspace any more through this connection."""
    linkable(id)
    sign_in.revoke(id)
    return connections.shown(id, said="unlinked")


def linkable(id: str) -> str:
    """The connector of a connection whose marketplace never opens our pages. Raises `Unknown` for every other."""
    stall = workspace.stall_of(sessions.current_visitor(), id)
    found = services().registry.find(stall.connector)
    if found is None or found.manifest is None or found.manifest.opens_pages:
        raise Unknown("opens_by_itself")
    return stall.connector
