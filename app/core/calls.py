"""The calls of one request into its connector: what a hook is handed, and what becomes of its answer or its crash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.core.documents import DocumentStore
from app.core.installations import InstallationsOf
from app.core.registry import Connector
from app.core.services import Services
from app.sdk import Answer, Claims, Inbound, Installation, Page, Refused, Registration, Unverified, Verified
from app.sdk.manifest import Action

log = structlog.get_logger()

Result = Answer | Page
T = TypeVar("T")


class Crashed(Refused):
    """The connector's own code failed; the sender learns nothing more."""

    kind = "crashed"
    status = 500
    message = "Something went wrong on our side. Please try again."


class LinksOf:
    """The `Links` port for one call."""

    def __init__(self, public_url: str, connector: str, tokens: Mapping[str, str]) -> None:
        self.public_url = public_url
        self._connector = connector
        self._tokens = tokens

    def to(self, action: str, key: str = "") -> str:
        """The absolute address of one of this connector's actions."""
        return "/".join(filter(None, (self.public_url, self._connector, action, key)))

    def token(self, purpose: str) -> str:
        """The link secret reserved for this install."""
        return self._tokens[purpose]


class Calls:
    """What the hooks of one request share: the connector, its settings, and the ports."""

    def __init__(self, host: Services, connector: Connector, action: Action, at: datetime) -> None:
        self.host = host
        self.connector = connector
        self.action = action
        self.at = at
        self.language = ""
        self.customer = ""
        self.outbound = host.outgate.within(action.deadline)
        self.installations = InstallationsOf(connector.name, host.ring, at)

    def verify(self, inbound: Inbound) -> Claims:
        """What the connector vouches for. No answer is no: None and a crash are refusals."""
        try:
            claims = self.connector.call(
                "verify",
                request=inbound,
                settings=self.connector.settings,
                installations=self.installations,
                documents=DocumentStore(self.host.outgate.within(2.0), self.at),
            )
        except (Refused, SQLAlchemyError):
            raise
        except Exception as error:
            # Not counted as a crash: strangers reach this far, and must not be able to switch a connector off.
            log.exception("verify.crashed", connector=self.connector.name, action=self.action.name)
            raise Unverified("verify_crashed") from error
        if not isinstance(claims, Claims):
            raise Unverified("no_claims")
        self.language = claims.language
        return claims

    def registration(self, verified: Verified, tokens: Mapping[str, str]) -> Registration:
        """What the connector's ``install`` returns."""
        registration = self.call(
            "install",
            verified=verified,
            installations=self.installations,
            links=self.links(tokens),
            outbound=self.outbound,
            documents=DocumentStore(self.outbound, self.at),
        )
        return self.checked(registration, Registration)

    def people(self, installation: Installation | None) -> Any:
        """The directory of the installation's workspace; nobody's when there is none."""
        return self.host.directory(installation.workspace if installation else "")

    def links(self, tokens: Mapping[str, str] | None = None) -> LinksOf:
        """Addresses of this connector."""
        return LinksOf(self.host.public_url, self.connector.name, tokens or {})

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook after verification; a crash is the connector's, counted and answered in its shape."""
        try:
            return self.connector.call(hook, settings=self.connector.settings, **arguments)
        except (Refused, SQLAlchemyError):
            raise
        except Exception as error:
            log.exception("hook.crashed", connector=self.connector.name, hook=hook)
            self.connector.crashed(self.customer)
            raise Crashed("hook_crashed") from error

    def shown(self, value: Any) -> Result:
        """The answer or page that a hook returned."""
        return value if isinstance(value, Page) else self.checked(value, Answer)

    def checked(self, value: Any, kind: type[T]) -> T:
        """The value a hook returned, when it is what the spec asks for."""
        if isinstance(value, kind):
            return value
        log.error("hook.wrong_result", connector=self.connector.name, kind=type(value).__name__)
        self.connector.crashed(self.customer)
        raise Crashed("wrong_result")
