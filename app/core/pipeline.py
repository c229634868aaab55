"""The way of a signed request: verify, bind, act, store, answer. The only maker of `Verified`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import journal, lifecycle, messages, tickets
from app.core.calls import Calls, Result
from app.core.database import writing
from app.core.documents import DocumentStore
from app.core.models import InstallationRow
from app.sdk import (
    Answer,
    Busy,
    Claims,
    Inbound,
    Installation,
    Outcome,
    Registration,
    State,
    Unknown,
    Verified,
)

T = TypeVar("T")
Effect = Callable[[Session], tuple[Result, str | None]]
REACHABLE = (State.ACTIVE, State.PAUSED, State.PENDING)
# How long a repeat waits for the request that it repeats.
PATIENCE = 40
PAUSE = 0.05


class Request(Calls):
    """One request on its way: what every step needs, so that each is a method of a few lines."""

    # The id of the installation that an install stored.
    installed = ""

    def perform(self, inbound: Inbound) -> Result:
        """The whole way of a platform's request. Raises `Refused`."""
        if self.action.hook == "describe":
            return self.checked(self.call("describe", links=self.links()), Answer)
        return self.act(self.verify(inbound))

    def act(self, claims: Claims, workspace: str | None = None) -> Result:
        """The effect of a verified request, done once."""
        acts = {
            "install": self.install,
            "open": self.open,
            "search": self.search,
            "uninstall": self.uninstall,
            "webhook": self.webhook,
        }
        result = acts[self.action.hook](claims, workspace)
        self.connector.worked()
        return result

    def install(self, claims: Claims, workspace: str | None) -> Result:
        """Store an installation; where the platform must be told meanwhile, reserve first and settle after."""
        verified = self.verified(claims, None)
        if self.action.reserve:
            return self.install_reserved(claims, verified, workspace)

        def effect(session: Session) -> tuple[Result, str]:
            registration = self.registration(verified, {})
            return registration.reply, self.register(session, registration, None, workspace)

        return self.once(claims, effect)

    def install_reserved(self, claims: Claims, verified: Verified, workspace: str | None) -> Result:
        """Reserve and commit, call the platform outside any transaction, then settle; a refusal leaves nothing."""
        lease = timedelta(seconds=self.action.deadline + 5)
        known = self.patiently(lambda: self.claim(claims, lease))
        if known is not None:
            return known
        reservation = None
        try:
            with writing() as session:
                reservation = lifecycle.reserve(
                    session, self.host.ring, self.connector.name, self.action.reserve, self.at
                )
            registration = self.registration(verified, reservation.tokens)
            with writing() as session:
                installation = self.register(session, registration, reservation, workspace)
                self.settle(session, claims, registration.reply, installation)
        except BaseException:
            with writing() as session:
                journal.release(session, self.connector.name, claims)
                if reservation is not None:
                    lifecycle.cancel(session, reservation)
            raise
        return registration.reply

    def open(self, claims: Claims, workspace: str | None) -> Result:
        """Show the add-on: with a single-use address of the customer's pages, or as a pure read."""
        installation = self.installation(claims)
        verified = self.verified(claims, installation)
        if not self.action.session:
            return self.read("open", verified, installation)

        proof = journal.proof_digest(self.connector.name, claims) if claims.proof else ""

        def effect(session: Session) -> tuple[Result, str | None]:
            page_url = self.page_url(session, verified, installation, proof)
            answer = self.call(
                "open",
                verified=verified,
                installation=installation,
                people=self.people(installation),
                page_url=page_url,
            )
            return self.shown(answer), installation.id if installation else None

        def is_over(session: Session) -> bool:
            # A shop that left is told so. Of two people in one second, the second gets a ticket, not a dead end.
            return installation is None or tickets.is_shared(session, proof, self.at)

        return self.once(claims, effect, is_over)

    def search(self, claims: Claims, workspace: str | None) -> Result:
        """Answer a search: a pure read, not journalled."""
        installation = self.installation(claims)
        return self.read("search", self.verified(claims, installation), installation)

    def uninstall(self, claims: Claims, workspace: str | None) -> Result:
        """Stage one of leaving."""
        installation = self.installation(claims)
        verified = self.verified(claims, installation)

        def effect(session: Session) -> tuple[Result, str | None]:
            row = session.get(InstallationRow, installation.id) if installation else None
            if row is not None:
                lifecycle.begin_uninstall(session, row, claims.issued_at, self.at)
            answer = self.call("uninstall", verified=verified, installation=installation)
            return self.checked(answer, Answer), row.id if row else None

        return self.once(claims, effect)

    def webhook(self, claims: Claims, workspace: str | None) -> Result:
        """Take a callback: the hook may call out, so it runs before the transaction; what it says is stored once."""
        installation = self.installation(claims)
        verified = self.verified(claims, installation)
        outcome = self.checked(
            self.call(
                "webhook",
                verified=verified,
                installation=installation,
                links=self.links(),
                outbound=self.outbound,
                documents=DocumentStore(self.outbound, self.at),
                people=self.people(installation),
            ),
            Outcome,
        )
        if installation is not None and installation.workspace and outcome.people:
            self.host.store_people(installation.workspace, installation.id, list(outcome.people))

        def effect(session: Session) -> tuple[Result, str | None]:
            row = session.get(InstallationRow, installation.id) if installation else None
            if row is not None:
                lifecycle.apply(session, self.host.ring, row, outcome, self.at)
                messages.keep(session, self.host.ring, row.id, outcome, self.host.contacts_of, self.at)
            return outcome.reply, row.id if row else None

        return self.once(claims, effect) if outcome != Outcome(outcome.reply) or claims.proof else outcome.reply

    def read(self, hook: str, verified: Verified, installation: Installation | None) -> Result:
        """A hook that only reads. No transaction spans it: the directory may ask a platform meanwhile."""
        answer = self.call(
            hook, verified=verified, installation=installation, people=self.people(installation), page_url=""
        )
        return self.shown(answer)

    def once(self, claims: Claims, effect: Effect, is_over: Callable[[Session], bool] | None = None) -> Result:
        """Run an effect in one transaction with its journal entry; a repeat gets the result, until that is over."""

        def attempt() -> Result:
            with writing() as session:
                known = self.bind(session, claims, timedelta(0))
                if known is not None and not (is_over and is_over(session)):
                    return known
                result, installation = effect(session)
                self.settle(session, claims, result, installation)
                return result

        return self.patiently(attempt)

    def claim(self, claims: Claims, lease: timedelta) -> Result | None:
        """Bind the proof in a transaction of its own."""
        with writing() as session:
            return self.bind(session, claims, lease)

    def bind(self, session: Session, claims: Claims, lease: timedelta) -> Result | None:
        """The stored result of a proof that was seen; nothing to bind where there is no proof."""
        if not claims.proof:
            return None
        return journal.claim(session, self.host.ring, self.connector.name, self.action.name, claims, self.at, lease)

    def settle(self, session: Session, claims: Claims, result: Result, installation: str | None) -> None:
        """Keep the result for repeats."""
        if claims.proof:
            journal.settle(session, self.host.ring, self.connector.name, claims, result, installation)

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Try again while the same request is being worked on elsewhere, for two seconds at most."""
        for _ in range(PATIENCE):
            try:
                return attempt()
            except (Busy, IntegrityError):
                # On PostgreSQL two first requests meet at the unique digest: one inserts, the other comes here.
                time.sleep(PAUSE)
        return attempt()

    def register(
        self,
        session: Session,
        registration: Registration,
        reservation: lifecycle.Reservation | None,
        workspace: str | None,
    ) -> str:
        """Store the registration."""
        self.installed = lifecycle.register(
            session,
            self.host.ring,
            self.connector.name,
            registration,
            reservation,
            workspace,
            timedelta(seconds=self.action.grace),
            self.at,
        )
        return self.installed

    def installation(self, claims: Claims) -> Installation | None:
        """The installation that the claims name. Raises `Unknown` unless the action takes unknown ones."""
        found = None
        if claims.installation:
            found = self.installations.by_id(claims.installation)
        elif claims.tenant:
            found = self.installations.by_tenant(claims.tenant)
        if found is not None and found.state in REACHABLE:
            return found
        if not self.action.unknown:
            raise Unknown("no_installation", "The add-on is not installed here any more.")
        return None

    def verified(self, claims: Claims, installation: Installation | None) -> Verified:
        """The proof that the pipeline was here."""
        self.customer = tenant = claims.tenant or (installation.tenant if installation else "")
        return Verified(
            connector=self.connector.name,
            action=self.action.name,
            at=self.at,
            tenant=tenant,
            fields=claims.fields,
            language=claims.language,
        )

    def page_url(self, session: Session, verified: Verified, installation: Installation | None, proof: str) -> str:
        """An address that opens the customer's pages once; or one that explains why there is nothing to open."""
        if installation is None:
            return f"{self.host.public_url}/account/closed/{self.connector.name}?language={verified.language}"
        ticket = tickets.mint(session, installation.id, verified.language, self.at, proof)
        manifest = self.connector.manifest
        # No server sees a fragment. Where a host would strip it, the page takes the ticket off its query at once.
        mark = "?" if manifest and manifest.ticket == "query" else "#"
        return f"{self.host.page_of(self.connector.name, installation.id)}{mark}t={ticket}"
