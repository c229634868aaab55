"""Sign-in links of a workspace's connections: made anew, which ends the former, or ended."""

from __future__ import annotations

from app.core import sign_in
from app.core.services import services
from app.pages import connections, sessions, workspace
from app.sdk import Unknown


def renew_link(id: str) -> str:
    """A fresh link, shown this once. Raises `Unknown` where an admin is the way in."""
    visitor = sessions.current_visitor()
    stall = workspace.stall_of(visitor, id)
    if not workspace.is_without_admin(visitor):
        raise Unknown("opens_by_itself")
    link = f"{services().page_of(stall.connector, id)}#s={sign_in.issue(id)}"
    return connections.shown(id, link=link)


def end_link(id: str) -> str:
    """No link opens this workspace any more through this connection."""
    workspace.stall_of(sessions.current_visitor(), id)
    sign_in.revoke(id)
    return connections.shown(id, said="unlinked")
