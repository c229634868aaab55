"""People: search as you type, and one person's card."""

from __future__ import annotations

from flask import request

from app.core.services import services
from app.pages import sessions
from app.pages.fragments import fragment
from app.sdk import Unknown

MOST_HITS = 20
LONGEST_QUERY = 200


def people() -> str:
    """Who was found for ``q``, best first."""
    visitor = sessions.current_visitor()
    query = request.args.get("q", "")[:LONGEST_QUERY].strip()
    hits = services().directory(visitor.workspace).search(query, MOST_HITS + 1) if query else []
    return fragment("people", query=query, hits=hits[:MOST_HITS], more=len(hits) > MOST_HITS)


def person(id: str) -> str:
    """One person's card. Raises `Unknown`, for another workspace's person too."""
    found = services().directory(sessions.current_visitor().workspace).person(id)
    if found is None:
        raise Unknown("no_person", "This person is not here any more.")
    return fragment("card", person=found)
