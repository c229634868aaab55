"""The first things a visitor sees: a greeting after an install, and how everything stands."""

from __future__ import annotations

from app.pages import connecting, sessions, workspace
from app.pages.fragments import fragment


def welcome() -> str:
    """What happens now, how far it is, and what to do next."""
    visitor = sessions.current_visitor()
    stalls = workspace.stalls_of(visitor)
    return fragment("welcome", stalls=stalls, places=connecting.places_of(stalls))


def overview() -> str:
    """The search, what needs attention, and the connected marketplaces with their progress."""
    return fragment("overview", stalls=workspace.stalls_of(sessions.current_visitor()))
