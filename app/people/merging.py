"""Two workspaces become one: their installations in the main database, their people in the mirror."""

from __future__ import annotations

from app.core import lifecycle
from app.core.database import writing
from app.people import mirror


def merge(source: str, target: str) -> None:
    """Move everything of ``source`` into ``target`` and close it; may be repeated after a crash.

    People first. Then the installations, and once more the people: a page may have been pulled for the old workspace
    between the two, and after the second nothing is pulled for it any more.
    """
    mirror.move(source, target)
    with writing() as session:
        lifecycle.merge(session, source, target)
    mirror.move(source, target)
    with writing() as session:
        lifecycle.close(session, source)
