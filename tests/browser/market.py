"""A connected customer on the played internet, and the admins through which the customer's people come to our pages."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from customers import Customer
from playwright.sync_api import BrowserContext, Frame, Page
from sqlalchemy import func, select
from tenants import Host, Tenant, hosting

from app.core import tickets
from app.core.database import reading, writing
from app.core.models import InstallationRow, TicketRow
from app.sdk import Person
from tests.browser.internet import HOST, Internet, Lines, online
from tests.pages.shop import JANA

SHOP, INBOX, CRM = "https://shop.admin.upgates.com", "https://app.socialsignin.net", "https://demo.retailcrm.ru"
ADMINS = {"upgates": f"{SHOP}/manager/addon", "orlo": f"{INBOX}/inbox", "retailcrm": f"{CRM}/admin/integration"}
ADMIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>An admin</title><link rel="icon" href="data:,">
<style>html, body {{ margin: 0; height: 100% }}
iframe {{ display: block; width: 100%; height: 100%; border: 0 }}</style>
{inside}</html>"""


def admin(inside: str) -> str:
    """A page of an admin, or of whoever pretends to be one."""
    return ADMIN.format(inside=inside)


def framing(url: str, attributes: str = "") -> str:
    """A frame that fills the page."""
    return f'<iframe title="The add-on" src="{html.escape(url)}" {attributes}></iframe>'


class Market:
    """One customer at every marketplace; our host is at `HOST`."""

    def __init__(self, host: Host, internet: Internet, lines: Lines) -> None:
        self.host, self.internet, self.lines = host, internet, lines
        self.tenant: Tenant = host.tenants[0]
        with host.app.app_context():
            self.customer = Customer(host, self.tenant, "A")
        self.jana = self.store(JANA)

    @contextmanager
    def settled_at(self, address: str) -> Iterator[None]:
        """The shop is called at ``address`` while the block runs; else it is on loopback, which is nobody's admin."""
        with self.host.app.app_context():
            before = settle(self.customer.ids["upgates"], address)
            try:
                yield
            finally:
                settle(self.customer.ids["upgates"], before)

    def store(self, person: Person) -> str:
        """Put a person into the customer's directory; returns their id."""
        workspace = self.customer.workspace
        with self.host.app.app_context():
            self.host.services.store_people(workspace, self.customer.ids["upgates"], [person])
            return self.host.services.directory(workspace).search(person.name)[0].id

    def unspent(self) -> int:
        """How many tickets nobody used yet."""
        with self.host.app.app_context(), reading() as session:
            return session.scalar(select(func.count()).where(TicketRow.used_at.is_(None))) or 0

    def ticket(self, installation: str, language: str = "en", connector: str = "upgates") -> str:
        """The page of an installation with a fresh ticket, as a signed opening would lead to it."""
        with self.host.app.app_context(), writing() as session:
            token = tickets.mint(session, installation, language, datetime.now(UTC))
        return f"{HOST}/account/open/{connector}/{installation}#t={token}"

    def opening(self, connector: str, language: str = "en") -> str:
        """The address that an admin puts into its frame, fresh."""
        if connector == "orlo":
            return HOST + self.tenant.orlo.open(id=self.jana).path
        answer = self.host.ask(self.tenant.upgates.open(time=self.tenant.time(), language=language))
        return str(answer.json["url"])

    def admin(self, connector: str, language: str = "en") -> str:
        """The address of an admin with our page in it."""
        return self.internet.put(ADMINS[connector], admin(framing(self.opening(connector, language))))

    def enter(self, context: BrowserContext, connector: str = "upgates", language: str = "en") -> tuple[Page, Frame]:
        """The admin in a tab, and our page in it, as soon as it shows something."""
        page = context.new_page()
        page.goto(self.admin(connector, language))
        [frame] = ours(page)
        frame.wait_for_selector("h1")
        return page, frame


def settle(installation: str, address: str) -> str:
    """Change where an installation is called; returns where that was."""
    with writing() as session:
        row = session.get(InstallationRow, installation)
        assert row is not None
        before, row.address = row.address, address
        return before


def ours(page: Page) -> list[Frame]:
    """The frames of a tab that show a page of ours; one that was kept out shows none."""
    return [frame for frame in page.frames if frame.url.startswith(f"{HOST}/")]


@contextmanager
def trading(folder: Path) -> Iterator[Market]:
    """The market while the block runs. Its customer connects before the host moves to its public name."""
    with hosting(folder / "instance") as host:
        host.services.public_url = HOST
        internet = Internet(host.app.wsgi_app)
        with online(internet, folder) as lines:
            yield Market(host, internet, lines)
