"""Settings: the language of this admin, and the name, time zone and badges of the workspace; visits that go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from zoneinfo import available_timezones

from flask import g, request
from sqlalchemy import delete, select

from app.core import tickets
from app.core.database import reading, writing
from app.core.models import InstallationRow, SessionRow, WorkspaceRow
from app.core.seal import digest
from app.pages import language, sessions
from app.pages.fragments import fragment
from app.sdk import Malformed, read_form, text_field

LONGEST_NAME = 200
CONTINENTS = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def settings(said: str = "") -> str:
    """What can be set, as it is set."""
    visitor = sessions.current_visitor()
    with reading() as session:
        row = session.get(WorkspaceRow, visitor.workspace)
        mine = session.get(InstallationRow, visitor.installation)
    return fragment(
        "settings",
        said=said,
        row=row,
        chosen=mine.chosen_language if mine else "",
        languages=language.named(),
        zones=zones(),
        others=len(others(datetime.now(UTC))),
    )


def save_settings() -> str:
    """Keep what was chosen. Raises `Malformed` for a value that no choice offers."""
    visitor = sessions.current_visitor()
    form = read_form(request.get_data())
    name = " ".join(text_field(form, "name", longest=LONGEST_NAME).split())
    chosen, zone = form.get("language", ""), form.get("time_zone", "")
    if not name or (chosen and chosen not in language.LANGUAGES) or (zone and zone not in available_timezones()):
        raise Malformed("bad_setting", "The name is missing, or there is no such language or time zone.")
    with writing() as session:
        workspace, mine = (
            session.get(WorkspaceRow, visitor.workspace),
            session.get(InstallationRow, visitor.installation),
        )
        if workspace is not None and mine is not None:
            workspace.name, workspace.time_zone, workspace.badges = name, zone, "badges" in form
            mine.chosen_language = chosen
    language.switch(chosen)
    g.visitor = replace(visitor, language=chosen or visitor.language, zone=zone)
    return settings(said="saved")


def end_visits() -> str:
    """End every visit of the workspace but this one."""
    sessions.current_visitor()
    with writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.bearer.in_(others(datetime.now(UTC)))))
    return settings(said="ended")


def others(now: datetime) -> list[str]:
    """The visits of the visitor's workspace that go on elsewhere."""
    bearer, cookie = (
        digest(kind, token) for kind, token in zip(("bearer", "cookie"), sessions.presented(), strict=True)
    )
    statement = (
        select(SessionRow.bearer)
        .join(InstallationRow, InstallationRow.id == SessionRow.installation_id)
        .where(
            InstallationRow.workspace_id == g.visitor.workspace,
            SessionRow.bearer != bearer,
            SessionRow.cookie != cookie,
            SessionRow.seen_at > now - tickets.IDLE_LIFE,
            SessionRow.created_at > now - tickets.WHOLE_LIFE,
        )
    )
    with reading() as session:
        return list(session.scalars(statement))


@cache
def zones() -> dict[str, list[str]]:
    """The time zones of each continent."""
    return {
        continent: sorted(zone for zone in available_timezones() if zone.startswith(f"{continent}/"))
        for continent in CONTINENTS
    }
